"""The log of a run: what stands in its lines, and what happens if it cannot be written."""

import json

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import OutputError
from gpuae.records.log import Log, logging
from gpuae.training.fitting import fit

SETTINGS = {"hidden": (2,), "epochs": 3, "batch_size": 16, "learning_rate": 0.01, "patience": 5}


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def logged(path, x, tell=pytest.fail, resume=False, **settings):
    with logging(path, tell, resume=resume) as log:
        fitted = fit(x, Config.parse(SETTINGS | settings), observer=log)
        log.ended({"ending": "finished"})
    return fitted


@pytest.fixture
def x(low_rank):
    return low_rank(100, 6).astype(np.float32)


def test_a_line_tells_of_each_epoch_what_the_model_keeps_of_it(x, tmp_path):
    path = tmp_path / "run.jsonl"
    history = logged(path, x, folds=1).model.history
    events = lines(path)
    kinds = [line["event"] for line in events]
    assert kinds == ["chosen", "training", "epoch", "epoch", "epoch", "end"]
    epochs = [line for line in events if line["event"] == "epoch"]
    for name in ("epoch", "loss", "val_loss", "learning_rate", "seconds"):
        np.testing.assert_array_equal([line[name] for line in epochs], history[name])
    assert all(line["time"].endswith("+00:00") for line in events)
    assert events[0]["config"]["hidden"][-1] == 2
    assert events[0]["reasons"]["scale"]


def test_what_is_no_number_is_null(x, tmp_path):
    path = tmp_path / "run.jsonl"
    logged(path, x, validation=0.0, patience=0)
    epochs = [line for line in lines(path) if line["event"] == "epoch"]
    assert [line["val_loss"] for line in epochs] == [None] * 3


def test_stages_and_rows_held_out_in_turn_are_told(x, tmp_path):
    path = tmp_path / "run.jsonl"
    logged(path, x, folds=3)
    assert [line["epoch"] for line in lines(path) if line["event"] == "folds"] == [1, 2, 3]
    layers = {"hidden": (3, 2), "pretrain": 2, "folds": 1}
    logged(path, x, **layers)
    told = [(line["stage"], line["epoch"]) for line in lines(path) if line["event"] == "epoch"]
    assert told[:4] == [("layer 1 of 2", e) for e in (1, 2)] + [("layer 2 of 2", e) for e in (1, 2)]
    assert told[4:] == [("whole network", epoch) for epoch in (1, 2, 3)]


def test_a_run_that_goes_on_adds_to_the_log_after_a_line_that_was_cut(x, tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"event": "note"}\n{"event": "epo')
    logged(path, x, resume=True)
    first, cut, *rest = path.read_text("utf-8").splitlines()
    assert (json.loads(first), cut) == ({"event": "note"}, '{"event": "epo')
    assert json.loads(rest[-1])["event"] == "end"


def test_a_full_disk_ends_the_log_and_not_the_run():
    class Full:
        def write(self, line):
            raise OSError(28, "No space left on device")

    told = []
    log = Log("run.jsonl", Full(), told.append)
    log.note("one")
    log.note("two")
    assert told == ["run.jsonl: the log ends here (No space left on device)"]


def test_numbers_of_numpy_are_numbers_and_what_is_not_finite_is_null_wherever_it_stands(tmp_path):
    path = tmp_path / "run.jsonl"
    told = {"epoch": np.int64(3), "loss": np.float32(0.5), "codes": np.array([1.0, np.nan])}
    with logging(path, pytest.fail) as log:
        log.ended(told | {"all": [{"val_loss": np.float32("inf")}], "name": "a\udcff"})
    (end,) = lines(path)
    assert (end["epoch"], end["loss"], end["codes"]) == (3, 0.5, [1.0, None])
    assert (end["all"], end["name"]) == ([{"val_loss": None}], "a\udcff")


def test_a_log_that_another_run_writes_is_left_to_it(tmp_path):
    path = tmp_path / "run.jsonl"
    with logging(path, pytest.fail) as log:
        log.note("one")
        refused = pytest.raises(OutputError, match="another process is writing it")
        with refused, logging(path, pytest.fail):
            pass
        log.note("two")
    assert [line["message"] for line in lines(path)] == ["one", "two"]
    assert list(tmp_path.iterdir()) == [path]
