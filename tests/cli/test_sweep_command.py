"""A sweep trains each combination once, goes on where it stopped, and ends with the best model."""

import csv
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from gpuae.model.model import Model
from gpuae.sweeps.crew import Watcher

SWEEP = ("sweep", "rows.npy", "-o", "sweep", "--epochs", 3, "--patience", 0, "--folds", 1)


@pytest.fixture(autouse=True)
def data(gpuae, low_rank):
    np.save("rows.npy", low_rank(120, 6).astype(np.float32))


@pytest.fixture(autouse=True)
def drawn(request, monkeypatch):
    """Pictures take long, and are drawn where a test asks for them."""
    if request.function is not test_each_combination_is_trained_and_the_best_is_named:
        monkeypatch.setattr("gpuae.plots.figure.save", lambda *_, **__: None)


@pytest.fixture
def trained(monkeypatch):
    """The names of the folders of runs that are trained, in their order."""
    from gpuae.sweeps import training

    names, own = [], training.Trainer._made

    def made(trainer, run, watcher):
        names.append(run.name)
        return own(trainer, run, watcher)

    monkeypatch.setattr(training.Trainer, "_made", made)
    return names


def results():
    with Path("sweep/results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_combination_is_trained_and_the_best_is_named(gpuae, trained):
    outcome = gpuae(*SWEEP, "--hidden", "1,2", "--weight-decay", "0,0.1")
    assert outcome.code == 0, outcome.err
    assert sorted(trained) == [
        "hidden=1_weight_decay=0",
        "hidden=1_weight_decay=0.1",
        "hidden=2_weight_decay=0",
        "hidden=2_weight_decay=0.1",
    ]
    found = [float(row["preprocessed_explained_variance"]) for row in results()]
    assert found == sorted(found, reverse=True)
    best = Path("sweep", results()[0]["model"])
    assert Path("sweep/best.h5").read_bytes() == best.read_bytes()
    assert Path("sweep/results.png").exists()


def test_a_run_is_the_same_bit_for_bit_as_a_fit_however_many_there_are_at_once(gpuae):
    asked = ("--hidden", "1,2,3,4", "--jobs", 3)
    assert gpuae(*SWEEP, *asked).code == 0
    for code in (1, 4):
        fit = ("fit", "rows.npy", "-o", f"{code}.h5", *SWEEP[4:], "--hidden", code)
        assert gpuae(*fit).code == 0
        one, other = (
            Model.load(Path(f"{code}.h5")),
            Model.load(Path(f"sweep/hidden={code}/model.h5")),
        )
        assert one.parameters.tobytes() == other.parameters.tobytes()
        assert one.config == other.config


@pytest.mark.parametrize("weighed", [("rows.npy", "--weights", "w.npy"), "column"])
def test_weights_of_rows_count_in_every_run_as_they_do_in_a_fit(gpuae, weighed):
    weights = np.arange(120) % 4
    np.save("w.npy", weights)
    table = np.column_stack([np.load("rows.npy"), weights])
    np.savetxt("rows.csv", table, delimiter=",", header="a,b,c,d,e,f,w", comments="")
    given = ("rows.csv", "--weight-column", "w") if weighed == "column" else weighed
    assert gpuae("fit", *given, "-o", "fit.h5", *SWEEP[4:], "--hidden", 2).code == 0
    assert gpuae("sweep", *given, "-o", "sweep", *SWEEP[4:], "--hidden", "1,2").code == 0
    one, other = Model.load(Path("fit.h5")), Model.load(Path("sweep/hidden=2/model.h5"))
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert all("weights_sha256" in str(model.attributes) for model in (one, other))
    assert gpuae("verify", "sweep/hidden=2/model.h5", given[0]).code == 0


def test_a_folder_of_other_weights_is_refused(gpuae):
    np.save("w.npy", np.arange(1, 121))
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    outcome = gpuae(*SWEEP, "--hidden", "1,2", "--weights", "w.npy")
    refused(outcome, "is of another sweep: its weights_sha256")
    np.save("short.npy", np.ones(5))
    outcome = gpuae(*SWEEP, "--hidden", "1,2", "--weights", "short.npy")
    refused(outcome, "has 5 weights for 120 rows")


def test_all_runs_take_no_less_time_than_the_longest_of_them(monkeypatch, capsys):
    from gpuae.cli import sweep_foretold
    from gpuae.config import Config
    from gpuae.foretelling import Foretold
    from gpuae.sweeps.plan import Crew
    from gpuae.sweeps.runs import Run

    seconds = iter([30.0, 2.0])
    monkeypatch.setattr(
        sweep_foretold, "_foretold", lambda *_: Foretold(next(seconds), 1 << 20, 1 << 10)
    )
    runs = [Run({"hidden": str(own)}, Config(hidden=(own,))) for own in (1, 2)]
    sweep_foretold.tell_runs(None, runs, Crew(2, 1), {})
    assert "2 runs would take about 30 s" in capsys.readouterr().out


def test_no_run_is_made_twice_and_more_values_add_runs(gpuae, trained):
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    assert sorted(trained) == ["hidden=1", "hidden=2"]
    assert gpuae(*SWEEP, "--hidden", "2,3").code == 0
    assert sorted(trained) == ["hidden=1", "hidden=2", "hidden=3"]
    assert len(results()) == 3


def test_settings_keep_their_order_in_the_folder(gpuae):
    asked = ("--hidden", "1,2", "--activation", "relu", "--code-activation", "relu,identity")
    assert gpuae(*SWEEP, *asked).code == 0
    kept = json.loads(Path("sweep/hidden=1_code_activation=relu/result.json").read_text())
    assert list(kept["settings"]) == ["hidden", "code_activation"]


def test_a_run_whose_model_is_gone_is_made_again(gpuae, trained):
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    Path("sweep/hidden=1/model.h5").unlink()
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    assert trained.count("hidden=1") == 2


@pytest.mark.alone
def test_ctrl_c_stops_the_runs_and_the_same_command_goes_on(gpuae, monkeypatch):
    whole = gpuae(*SWEEP, "--hidden", "1,2")
    assert whole.code == 0
    kept = {name: Path(f"sweep/{name}/model.h5").read_bytes() for name in ("hidden=1", "hidden=2")}
    shutil.rmtree("sweep")
    own = Watcher.epoch_done

    def interrupted(watcher, record):
        own(watcher, record)
        if record.epoch == 2:
            signal.raise_signal(signal.SIGINT)
            watcher._stop.set()

    with monkeypatch.context() as patched:
        patched.setattr(Watcher, "epoch_done", interrupted)
        outcome = gpuae(*SWEEP, "--hidden", "1,2", "--jobs", 1)
    assert outcome.code == 130
    assert "give the same command again" in outcome.err
    assert Path("sweep/hidden=1/checkpoint.h5").exists()
    assert not Path("sweep/hidden=1/model.h5").exists()
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    assert not Path("sweep/hidden=1/checkpoint.h5").exists()
    for name, content in kept.items():
        one, other = Model.load(Path(f"sweep/{name}/model.h5")), content
        Path("kept.h5").write_bytes(other)
        assert one.parameters.tobytes() == Model.load(Path("kept.h5")).parameters.tobytes()


def test_settings_that_contradict_each_other_are_a_row_and_no_end(gpuae):
    outcome = gpuae(*SWEEP, "--hidden", 2, "--loss", "mse,bce", "--scale", "standard")
    assert outcome.code == 0
    assert [row["ending"] for row in results()] == ["finished", "failed"]
    assert "loss=bce needs targets" in results()[1]["reason"]
    assert "loss=bce needs targets" in outcome.out


def test_a_run_that_diverges_is_a_row_and_no_end(gpuae):
    outcome = gpuae(*SWEEP, "--hidden", 2, "--optimizer", "sgd", "--learning-rate", "0.01,1e30")
    assert outcome.code == 0
    assert [row["ending"] for row in results()] == ["finished", "diverged"]


def test_results_for_a_program(gpuae):
    outcome = gpuae(*SWEEP, "--hidden", "1,2", "--json")
    assert [own["settings"] for own in json.loads(outcome.out)] == [
        {"hidden": "2"},
        {"hidden": "1"},
    ]


def test_draws_are_those_of_the_seed(gpuae, trained):
    asked = ("--learning-rate", "0.001..0.1", "--seed", 5)
    assert gpuae(*SWEEP, *asked, "--random", 2).code == 0
    assert gpuae(*SWEEP, *asked, "--random", 3).code == 0
    assert len(trained) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--epochs", 4), "epochs=3"),
        (("--seed", 1), "seed=0"),
        (("--beta", "1,2", "--sparsity", "kl"), "varied"),
    ],
)
def test_a_folder_of_another_sweep_is_refused(gpuae, change, words):
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    before = Path("sweep/results.csv").read_bytes()
    refused(gpuae(*SWEEP, "--hidden", "1,2", *change), "sweep: is of another sweep", words)
    assert Path("sweep/results.csv").read_bytes() == before


def test_a_folder_of_other_data_is_refused(gpuae, low_rank):
    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    np.save("rows.npy", low_rank(120, 6, seed=1).astype(np.float32))
    refused(gpuae(*SWEEP, "--hidden", "1,2"), "another sweep", "data")


def test_a_folder_of_other_things_is_refused(gpuae):
    Path("sweep").mkdir()
    Path("sweep/thesis.tex").write_text("years of work")
    refused(gpuae(*SWEEP, "--hidden", "1,2"), "holds other things")
    assert [own.name for own in Path("sweep").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--hidden", "2"), "nothing to compare"),
        (("--hidden", "1,2", "--validation", 0), "unseen rows"),
        (("--hidden", "1..2"), "--random"),
        (("--learning-rate", "0,-1"), "learning_rate"),
        (("--seed", "0,1", "--random", 1), "seed"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(gpuae, asked, words):
    refused(gpuae(*SWEEP, *asked), words)
    assert not Path("sweep").exists()


def test_another_sweep_in_the_same_folder_waits_its_turn(gpuae):
    from gpuae.storage.files.locked_file import held

    assert gpuae(*SWEEP, "--hidden", "1,2").code == 0
    with held(Path("sweep/sweep.json")):
        refused(gpuae(*SWEEP, "--hidden", "1,3"), "another process")
