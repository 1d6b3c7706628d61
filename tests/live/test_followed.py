"""A run elsewhere, seen through its checkpoint: what is shown, and when."""

import os

import h5py
import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.live import followed as module
from gpuae.live.board import Board
from gpuae.live.followed import Followed
from gpuae.live.painter import Painter
from gpuae.live.run import Run, Subject
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.checkpoint_file import read_checkpoint
from gpuae.training.checkpoint import Checkpoints, Interval
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.interruption import Interrupted

SETTINGS = {"hidden": (3, 2), "epochs": 4, "patience": 0, "validation": 0.2}


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.0)


@pytest.fixture
def x(low_rank):
    return low_rank(100, 6).astype(np.float32)


def train(path, x, observer=None, **settings):
    checkpoints = Checkpoints(path, Interval(None, 1), force=True)
    config = Config(**(SETTINGS | settings))
    return fit(x, config, checkpoints=checkpoints, observer=observer).model


def watched(path):
    run = Run(Subject(str(path), "", buttons=False), lambda *_: [])
    return run, Followed(path, run)


def test_the_curves_and_the_weights_of_a_checkpoint_are_shown(x, tmp_path):
    path = tmp_path / "run.h5"
    model = train(path, x)
    run, followed = watched(path)
    found = followed.look()
    np.testing.assert_array_equal(found.parameters, model.parameters)
    training, held_out = run.panels()[0].series
    np.testing.assert_array_equal(training.y, model.history["loss"])
    np.testing.assert_array_equal(held_out.y, model.history["val_loss"])
    assert (run.progress()["epoch"], run.progress()["epochs"]) == (4, 4)
    seen = run.weights.take()
    assert (seen.model, seen.where) == (
        found,
        f"weights of epoch {model.attributes['best_epoch']}, the best so far",
    )
    assert run.status()["headline"].startswith("Checkpoint of ")


def test_a_file_is_read_when_it_has_changed_and_not_before(x, tmp_path):
    path = tmp_path / "run.h5"
    train(path, x)
    _, followed = watched(path)
    assert followed.look() is not None
    assert followed.look() is None
    train(path, x, epochs=2)
    assert len(followed.look().history["epoch"]) == 2


def test_a_large_file_is_left_alone_for_longer_than_it_took_to_read(x, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    train(path, x)
    monkeypatch.setattr(module, "PATIENCE", 1e6)
    _, followed = watched(path)
    assert followed.look() is not None
    os.utime(path, (0, 0))
    assert followed.look() is None


def test_a_checkpoint_may_still_have_to_come(x, tmp_path):
    path = tmp_path / "run.h5"
    run, followed = watched(path)
    assert followed.look() is None
    assert run.status()["headline"] == "Waiting for the checkpoint"
    train(path, x)
    assert followed.look() is not None


class StopsInLayers(Silence):
    def epoch_done(self, record):
        self.done = record.epoch

    def between_steps(self, so_far):
        if getattr(self, "done", 0) == 2:
            raise Interrupted


def test_a_layer_that_is_trained_alone_has_its_own_epochs(x, tmp_path):
    path = tmp_path / "run.h5"
    train(path, x, StopsInLayers(), pretrain=3, folds=1)
    assert "pretrain/layer" in read_checkpoint(InputFile(path))[1]
    run, followed = watched(path)
    assert followed.look() is not None
    shown = run.progress()
    assert (shown["stage"], shown["epoch"], shown["epochs"]) == ("layer 1", 2, 3)


def test_a_finished_model_is_shown_and_said_to_be_one(x, tmp_path):
    path = tmp_path / "m.h5"
    train(tmp_path / "run.h5", x).save(path)
    run, followed = watched(path)
    assert followed.look() is not None
    assert run.status()["headline"] == "A finished model"
    assert run.progress()["share"] == 1.0


def test_a_damaged_file_is_an_error_until_another_is_in_its_place(x, tmp_path):
    path = tmp_path / "run.h5"
    train(path, x)
    with h5py.File(path, "r+") as file:
        file["state/parameters"][0] += 1
    _, followed = watched(path)
    with pytest.raises(InputError, match=r"run\.h5"):
        followed.look()
    assert followed.look() is None
    train(path, x)
    assert followed.look() is not None


@pytest.mark.parametrize(
    ("name", "values", "epochs"),
    [
        ("seconds", [np.nan, 1.0, np.inf, 1.0], 4),
        ("loss", [b"<script>"] * 4, 0),
        ("epoch", [np.nan] * 4, 0),
    ],
)
def test_a_history_that_makes_no_sense_ends_no_page(x, tmp_path, name, values, epochs):
    path = tmp_path / "model.h5"
    model = fit(x, Config(**SETTINGS)).model
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file[f"train/history/{name}"]
        file[f"train/history/{name}"] = values
    run, followed = watched(path)
    assert followed.look() is not None
    board = Board()
    Painter(run, board).finish()
    assert run.progress()["epoch"] == epochs
