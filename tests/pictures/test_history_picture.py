"""The course of training as it is drawn: losses, the epoch that was kept, PCA's level."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.pictures.history import history
from gpuae.training.classifying import finetune
from gpuae.training.fitting import fit
from gpuae.training.held_out import HELD_OUT_EXPLAINED, HELD_OUT_PCA

QUICK = {"hidden": (2,), "patience": 0, "epochs": 6, "validation": 0.2, "folds": 1, "loss": "mse"}


@pytest.fixture(scope="module")
def x():
    random = np.random.default_rng(0)
    return random.normal(size=(200, 2)) @ random.normal(size=(2, 6)) + random.normal(size=(200, 6))


@pytest.fixture(scope="module")
def model(x):
    return fit(x, Config.parse(QUICK)).model


def fitted(x, **settings):
    return fit(x, Config.parse(QUICK | settings)).model


def levels_of(panel, axis):
    return {level.label: level.value for level in panel.levels if level.axis == axis}


def with_losses(model, **values):
    """The model as if training had gone so."""
    return replace(model, history={**model.history, **values})


def test_losses_of_all_epochs_are_drawn(model):
    loss, rate = history(model).panels
    training, validation = loss.series
    np.testing.assert_array_equal(training.x, np.arange(1, 7))
    np.testing.assert_array_equal(training.y, model.history["loss"])
    np.testing.assert_array_equal(validation.y, model.history["val_loss"])
    np.testing.assert_array_equal(rate.series[0].y, model.history["learning_rate"])
    assert (loss.axes.x, loss.axes.y) == ("epoch", "loss: mse")


def test_the_kept_epoch_is_marked_on_both_panels(model):
    kept = replace(model, attributes={**model.attributes, "best_epoch": 4})
    picture = history(kept)
    assert [levels_of(panel, "x") for panel in picture.panels] == [{"epoch 4, kept": 4}] * 2
    assert f"a validation loss of {model.history['val_loss'][3]:.4g}" in picture.description


def test_where_the_start_was_kept_nothing_is_marked_and_that_is_said(model):
    picture = history(replace(model, attributes={**model.attributes, "best_epoch": 0}))
    assert not levels_of(picture.panels[0], "x")
    assert "no epoch was better than the start, whose weights were kept" in picture.notes


@pytest.mark.parametrize("best", ["3", 3.5, 7, -1, None])
def test_a_kept_epoch_that_cannot_be_is_not_marked(model, best):
    attributes = {**model.attributes, "best_epoch": best}
    assert not levels_of(history(replace(model, attributes=attributes)).panels[0], "x")


@pytest.mark.parametrize("loss", ["mse", "sse"])
@pytest.mark.parametrize("folds", [1, 4])
def test_pca_has_the_loss_of_its_own_error_of_the_held_out_rows(x, loss, folds):
    fit_of = fit(x, Config.parse(QUICK | {"loss": loss, "folds": folds, "init": "glorot"}))
    level = levels_of(history(fit_of.model).panels[0], "y")["PCA with 2 components"]
    squares = count = 0
    for trial in fit_of.trials:
        own = trial.model
        rows = own.preprocess.forward(x[trial.rows])
        squares += ((own.pca.project(rows) - rows) ** 2).sum()
        count += len(rows)
    by_hand = squares / count / (6 if loss == "mse" else 2)
    assert level == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"weight_decay": 0.01}, "includes weight_decay, which PCA does not pay"),
        ({"sparsity": "l1"}, "includes l1, which PCA does not pay"),
        ({"sparsity": "kl", "activation": "sigmoid"}, "includes kl, which"),
        ({"loss": "huber"}, "its error is a squared one, and the loss is huber"),
        ({"validation": 0}, "its error of rows that were held out in this training is not known"),
    ],
    ids=str,
)
def test_where_pca_cannot_be_compared_it_has_no_level_and_a_reason(x, settings, reason):
    picture = history(fitted(x, **settings))
    assert not levels_of(picture.panels[0], "y")
    assert any(reason in note for note in picture.notes)


def test_penalties_are_named_as_parts_of_the_loss(x):
    picture = history(fitted(x, sparsity="l1", weight_decay=0.1))
    assert picture.panels[0].axes.y == "loss: mse + l1 + weight_decay"


def test_pca_far_below_the_losses_does_not_squeeze_them(model):
    exact = replace(model, attributes={**model.attributes, HELD_OUT_PCA: 1 - 1e-9})
    picture = history(exact)
    assert not levels_of(picture.panels[0], "y")
    assert any("below what is drawn" in note for note in picture.notes)
    assert not picture.panels[0].axes.log_y


@pytest.mark.parametrize("rows", ["many", float("nan")])
def test_a_file_that_says_nonsense_of_held_out_rows_has_no_level_of_pca(model, rows):
    picture = history(replace(model, attributes={**model.attributes, "held_out_rows": rows}))
    assert "is not known" in picture.notes[-1]


@pytest.mark.parametrize("attributes", [{}, {HELD_OUT_EXPLAINED: "much", HELD_OUT_PCA: 0.5}])
def test_models_that_do_not_say_what_is_explained_are_drawn_without_pca(model, attributes):
    picture = history(replace(model, attributes=attributes))
    assert not levels_of(picture.panels[0], "y")
    assert "of the variance" not in picture.description


@pytest.mark.parametrize(("last", "log"), [(0.2, False), (0.01, True), (-1.0, False)])
def test_the_scale_is_logarithmic_where_the_range_asks_for_it(model, last, log):
    course = np.linspace(1, last, 6)
    own = with_losses(model, loss=course, val_loss=np.full(6, np.nan))
    assert history(own).panels[0].axes.log_y is log


def test_a_single_epoch_is_a_point(x):
    picture = history(fitted(x, epochs=1))
    assert {series.kind for panel in picture.panels for series in panel.series} == {"points"}
    assert picture.description.startswith("1 epoch: the training loss was ")


def test_full_batch_training_has_iterations_and_no_learning_rate(x):
    picture = history(fitted(x, optimizer="lbfgs"))
    assert len(picture.panels) == 1
    assert picture.panels[0].axes.x == "iteration"


def test_stages_of_a_classifier_are_told_apart(model, x):
    settings = FinetuneConfig(head_epochs=2, epochs=3, patience=0)
    own = finetune(model, x, (x[:, 0] > 0).astype(int), settings).model
    picture = history(own)
    boundaries = levels_of(picture.panels[0], "x")
    assert boundaries["from here: whole network"] == 2.5
    assert picture.panels[0].axes.y == "loss: cross-entropy"
    assert not levels_of(picture.panels[0], "y")
    assert not picture.notes


@pytest.mark.parametrize("recorded", [{}, {"loss": np.empty(0)}])
def test_a_model_without_history_is_refused_in_a_sentence(model, recorded):
    with pytest.raises(InputError, match=r"has no history of training.*give one"):
        history(replace(model, history=recorded))


@pytest.mark.parametrize(
    ("settings", "attributes", "reason"),
    [
        ({"epochs": 0}, {"best_epoch": 0}, "it was made with epochs=0"),
        ({"epochs": 3}, {"best_epoch": 0}, "no epoch was better.*--log FILE"),
        ({"epochs": 3}, {}, "gpuae stack"),
    ],
)
def test_why_there_is_no_history_is_said(model, settings, attributes, reason):
    config = model.config.model_copy(update=settings)
    with pytest.raises(InputError, match=reason):
        history(replace(model, config=config, attributes=attributes, history={}))
