import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.training.fitting import fit
from gpuae.training.partition import partition

SETTINGS = {"hidden": (3,), "epochs": 4, "batch_size": 16, "patience": 0}


@pytest.fixture
def x(low_rank):
    return low_rank(80, 6).astype(np.float32)


def test_rows_of_their_own_are_held_out_and_all_others_trained_on(x):
    parts = partition(x[:50], x[50:], Config())
    np.testing.assert_array_equal(parts.x, x)
    assert parts.training.tolist() == list(range(50))
    assert parts.held_out.tolist() == list(range(50, 80))


def test_without_them_a_fraction_is_held_out(x):
    parts = partition(x, None, Config(validation=0.25))
    assert parts.x is x
    assert len(parts.held_out) == 20


def test_held_out_rows_change_nothing_but_what_is_measured(device, x):
    with_rows = fit(x[:50], Config(**SETTINGS, device=device), validation=5 * x[50:])
    alone = fit(x[:50], Config(**SETTINGS, device=device, validation=0))
    np.testing.assert_array_equal(with_rows.model.parameters, alone.model.parameters)
    np.testing.assert_array_equal(with_rows.model.preprocess.high, alone.model.preprocess.high)
    np.testing.assert_array_equal(with_rows.model.history["loss"], alone.model.history["loss"])
    assert np.isfinite(with_rows.model.history["val_loss"]).all()
    assert np.isnan(alone.model.history["val_loss"]).all()
    assert with_rows.model.config.validation == 0


def test_val_loss_is_the_loss_over_the_held_out_rows(x):
    from gpuae.evaluation import evaluate

    model = fit(x[:50], Config(**SETTINGS), validation=x[50:]).model
    measured = evaluate(model, x[50:]).loss
    assert model.history["val_loss"][-1] == pytest.approx(measured, rel=1e-5)


def test_missing_values_of_held_out_rows_become_the_training_mean(x):
    holes = x[50:].copy()
    holes[:, 0] = np.nan
    filled = x[50:].copy()
    filled[:, 0] = x[:50, 0].astype(np.float64).mean()
    config = Config(**SETTINGS, missing="mean")
    one = fit(x[:50], config, validation=holes).model.history["val_loss"]
    two = fit(x[:50], config, validation=filled).model.history["val_loss"]
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("training", "held_out", "fits"),
    [
        ("float32", "float64", True),
        ("float32", "uint8", True),
        ("int32", "uint8", True),
        ("uint8", "float32", False),
        ("uint8", "int16", False),
    ],
)
def test_held_out_rows_must_fit_into_the_type_of_the_others(training, held_out, fits):
    x, y = np.ones((4, 2), training), np.ones((3, 2), held_out)
    if fits:
        assert partition(x, y, Config()).x.dtype == np.result_type(training, held_out)
        return
    with pytest.raises(InputError, match=f"are {held_out} and the training data {training}"):
        partition(x, y, Config())


@pytest.mark.parametrize("shape", [(3, 3), (0, 2)])
def test_held_out_rows_must_have_the_same_columns(shape):
    with pytest.raises(InputError, match="give rows of the same columns"):
        partition(np.ones((4, 2)), np.ones(shape), Config())
