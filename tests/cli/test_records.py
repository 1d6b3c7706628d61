"""fit --log and --tensorboard: what a run leaves behind beside its model, however it ends."""

import json

import numpy as np
import pytest

from gpuae.cli.fit_task import Task

FIT = ("fit", "rows.npy", "-o", "m.h5", "--hidden", 3, "--epochs", 2, "--patience", 2)


@pytest.fixture(autouse=True)
def _data(gpuae, tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_log_ends_with_what_fit_prints_as_json(gpuae, tmp_path):
    made = gpuae(*FIT, "--json", "--log", "run.jsonl")
    assert made.code == 0, made.err
    end = lines(tmp_path / "run.jsonl")[-1]
    assert {name: end[name] for name in json.loads(made.out)} == json.loads(made.out)
    assert end["event"] == "end"


def test_the_model_is_the_same_with_and_without_records(gpuae, tmp_path):
    assert gpuae(*FIT).code == 0
    made = gpuae(*FIT[:3], "n.h5", *FIT[4:], "--log", "run.jsonl", "--tensorboard", "board")
    assert made.code == 0, made.err
    assert gpuae("verify", "--same", "m.h5", "n.h5").code == 0
    assert list((tmp_path / "board").iterdir())


def test_the_log_has_what_was_said_of_the_data(gpuae, tmp_path):
    x = np.load(tmp_path / "rows.npy")
    np.savez(tmp_path / "rows.npz", x=x, y=np.arange(len(x)) % 2)
    made = gpuae("fit", "rows.npz", *FIT[2:], "--log", "run.jsonl")
    assert made.code == 0, made.err
    told = [line["message"] for line in lines(tmp_path / "run.jsonl") if line["event"] == "note"]
    assert told == [own.removeprefix("note: ") for own in made.err.splitlines() if "note: " in own]
    assert told


def test_the_log_of_a_run_that_was_interrupted_or_failed_says_so(gpuae, tmp_path, monkeypatch):
    for error, ending in ((KeyboardInterrupt(), "interrupted"), (OSError(5, "bad"), "failed")):

        def ended(*_, error=error):
            raise error

        monkeypatch.setattr(Task, "_fitted", ended)
        assert gpuae(*FIT, "--log", f"{ending}.jsonl").code != 0
        assert lines(tmp_path / f"{ending}.jsonl")[-1]["ending"] == ending


def test_a_run_that_goes_on_adds_to_its_log(gpuae, tmp_path):
    (tmp_path / "run.jsonl").write_text('{"event": "epoch"}\n')
    made = gpuae(*FIT, "--checkpoint", "c.h5", "--resume", "--log", "run.jsonl")
    assert made.code == 0, made.err
    assert lines(tmp_path / "run.jsonl")[0] == {"event": "epoch"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("m.h5", "another file of this run"),
        ("rows.npy", "rows.npy"),
        ("there", "exists already"),
        ("nowhere/run.jsonl", "does not exist; make it first"),
        (".", "is a folder"),
    ],
)
def test_a_log_that_cannot_be_is_refused_before_any_work(gpuae, tmp_path, path, message):
    (tmp_path / "there").write_text("mine")
    before = (tmp_path / "rows.npy").read_bytes()
    made = gpuae(*FIT, "--log", path)
    assert made.code == 2
    assert message in made.err
    assert (tmp_path / "there").read_text() == "mine"
    assert (tmp_path / "rows.npy").read_bytes() == before
    assert not (tmp_path / "m.h5").exists()


@pytest.mark.parametrize("folder", ["m.h5", "run.jsonl", "c.h5"])
def test_a_folder_that_has_the_name_of_a_file_of_the_run_is_refused(gpuae, tmp_path, folder):
    files = ("--log", "run.jsonl", "--checkpoint", "c.h5")
    made = gpuae(*FIT, *files, "--tensorboard", folder)
    assert made.code == 2
    assert "--tensorboard" in made.err
    assert "another file of this run" in made.err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_a_folder_of_another_run_is_refused_before_any_work(gpuae, tmp_path):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "events").write_text("")
    made = gpuae(*FIT, "--tensorboard", "board")
    assert made.code == 2
    assert "holds files already" in made.err
    assert not (tmp_path / "m.h5").exists()
    assert gpuae(*FIT, "--tensorboard", "board", "--force").code == 0
