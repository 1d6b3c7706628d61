"""Rows held out in turn: which, how the best epoch is found, and what is then trained."""

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.evaluation import evaluate
from gpuae.training.fitting import fit
from gpuae.training.folds import fold_rows
from gpuae.training.history import Silence
from gpuae.training.trainer import Ending

SETTINGS = {"hidden": 2, "device": "cpu", "seed": 4}


def curved(rows, columns=6, seed=0):
    """Rows on a curved surface, which a network of two numbers knows better than PCA."""
    surface, random = np.random.default_rng(0), np.random.default_rng(seed)
    place = random.uniform(-2, 2, (rows, 2))
    bent = np.hstack([place, place**2, np.sin(2 * place)])
    return bent @ surface.normal(size=(6, columns)) + 0.05 * random.normal(size=(rows, columns))


@pytest.mark.parametrize(("rows", "folds"), [(10, 2), (11, 4), (4, 4)])
def test_every_row_is_held_out_once(rows, folds):
    parts = fold_rows(rows, folds, seed=3)
    assert len(parts) == folds
    np.testing.assert_array_equal(np.sort(np.concatenate([own for _, own in parts])), range(rows))
    for training, held_out in parts:
        np.testing.assert_array_equal(np.sort(np.r_[training, held_out]), range(rows))
        assert (np.diff(training) > 0).all()
    assert not np.array_equal(parts[0][1], fold_rows(rows, folds, seed=4)[0][1])


def test_the_last_training_is_of_all_rows_for_as_many_epochs_as_are_best():
    x = curved(200)
    found = fit(x, Config.parse({**SETTINGS, "steps": 600, "folds": 3}))
    losses = found.model.history["val_loss"]
    assert found.result.best_epoch == len(losses) == np.argmin(losses) + 1
    assert found.result.epochs >= len(losses)
    config = found.model.config
    alone = {**config.model_dump(), "folds": 1, "validation": 0, "tile_rows": None}
    same_rate = {**alone, "patience": 0}
    whole = fit(x, Config.parse(same_rate))
    assert whole.model.config.epochs == config.epochs
    # the same epochs of the same schedule on the same rows, as far as they go
    np.testing.assert_array_equal(
        found.model.history["loss"], whole.model.history["loss"][: len(losses)]
    )


def test_each_trial_was_not_trained_on_its_rows_and_is_worth_more_than_pca():
    x = curved(300)
    found = fit(x, Config.parse({**SETTINGS, "steps": 1500}))
    rows = np.concatenate([trial.rows for trial in found.trials])
    np.testing.assert_array_equal(np.sort(rows), range(300))
    for trial in found.trials:
        figures = evaluate(trial.model, x[trial.rows])
        assert figures.explained_variance > figures.pca_explained_variance + 0.05
    assert evaluate(found.model, curved(200, seed=1)).explained_variance > 0.8


def test_where_nothing_is_gained_the_model_is_pca_of_all_rows():
    x = np.random.default_rng(1).normal(size=(40, 6))
    found = fit(x, Config.parse({**SETTINGS, "steps": 300}))
    assert found.result.best_epoch == 0
    assert found.result.ending is Ending.EARLY
    figures = evaluate(found.model, x)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    left = np.linalg.svd(scaled, compute_uv=False)[2:] ** 2
    assert figures.preprocessed_mse == pytest.approx(left.sum() / x.size, rel=1e-4)


def test_the_start_is_kept_where_rows_are_held_out_once():
    x = np.random.default_rng(1).normal(size=(40, 6))
    found = fit(x, Config.parse({**SETTINGS, "validation": 0.3, "learning_rate": 0.5}))
    assert found.result.best_epoch == 0
    assert found.result.ending is Ending.EARLY


def test_a_divergence_among_the_folds_is_no_early_end():
    wild = {"scale": "none", "learning_rate": 1e30, "schedule": "constant"}
    found = fit(curved(100), Config.parse({**SETTINGS, "epochs": 4, **wild}))
    assert found.result.ending is Ending.DIVERGED
    assert (found.result.best_epoch, found.result.lost_epoch) == (0, 1)
    assert np.isfinite(found.model.parameters).all()


def test_ctrl_c_among_the_folds_keeps_the_start():
    class Stop(Silence):
        def folds_done(self, epoch, val_loss):
            raise KeyboardInterrupt

    x = curved(100)
    found = fit(x, Config.parse(SETTINGS), observer=Stop())
    assert found.interrupted
    assert found.result.best_epoch == 0
    assert evaluate(found.model, x).explained_variance > 0.3


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_very_few_rows_are_trained_on(rows):
    found = fit(curved(rows), Config.parse({**SETTINGS, "steps": 20}))
    assert np.isfinite(found.model.parameters).all()


def test_ctrl_c_among_the_folds_keeps_what_the_first_has_learnt():
    class Stop(Silence):
        def folds_done(self, epoch, val_loss):
            if epoch == 30:
                raise KeyboardInterrupt

    x = curved(300)
    found = fit(x, Config.parse(SETTINGS), observer=Stop())
    start = fit(x, Config.parse({**SETTINGS, "epochs": 0}))
    assert found.interrupted
    (trial,) = found.trials
    assert len(trial.rows) == 75
    gained, before = (evaluate(own.model, x[trial.rows]).mse for own in (found, start))
    assert gained < 0.9 * before
