"""The course of training: what is recorded, which weights are kept, and every way it can end."""

import signal
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import ConfigError, DeviceError, DivergedError, InputError
from gpuae.evaluation import evaluate
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.interruption import Interrupted
from gpuae.training.trainer import Ending

BASE = {"hidden": (3,), "epochs": 6, "batch_size": 16, "learning_rate": 0.01, "patience": 0}
BASE |= {"activation": "sigmoid", "init": "glorot", "scale": "minmax", "schedule": "constant"}
BASE |= {"output_activation": "sigmoid"}


@pytest.fixture
def x(low_rank):
    return low_rank(120, 8).astype(np.float32)


def trained(x, observer=None, initial=None, **settings):
    return fit(x, Config.parse(BASE | settings), observer=observer, initial=initial)


# What is recorded


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs"])
def test_training_lowers_the_loss(device, x, optimizer):
    own = {"optimizer": optimizer, "device": device, "validation": 0.2, "epochs": 15}
    if optimizer == "lbfgs":
        own |= {"batch_size": None, "learning_rate": None, "schedule": None}
    if optimizer == "sgd":
        own |= {"learning_rate": 0.5, "momentum": 0.5}
    history = trained(x, **own).model.history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    assert history["val_loss"][-1] < history["val_loss"][0]


def test_the_history_has_a_value_for_each_epoch(x):
    fitted = trained(x)
    history = fitted.model.history
    assert set(history) == {"epoch", "loss", "val_loss", "learning_rate", "seconds"}
    assert all(len(column) == 6 for column in history.values())
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (history["learning_rate"] == 0.01).all()
    assert (history["seconds"] > 0).all()
    assert fitted.result.ending is Ending.FINISHED
    fitted.raise_if_diverged()


def test_an_observer_hears_of_the_start_the_rows_and_every_epoch(x, watch):
    trained(x, watch, validation=0.2, epochs=3)
    ((config, columns, rows),) = watch.starts
    assert (config.epochs, config.scale, columns, rows) == (3, "minmax", 8, 96)
    assert [record.epoch for record in watch.records] == [1, 2, 3]
    for epoch in (1, 2, 3):
        done = [rows for own, rows in watch.rows if own == epoch]
        assert done == sorted(done)
        assert done[-1] == 96


def test_an_observer_hears_of_constant_columns_once(x, watch):
    x[:, 3] = 0.7
    trained(x, watch)
    notes = [note for note in watch.notes if "constant" in note]
    assert len(notes) == 1
    assert "1 column is constant" in notes[0]


def test_an_observer_hears_of_bytes_that_are_no_pixels(x, watch):
    trained((16 * x).astype(np.uint8), watch, scale="unit")
    notes = [note for note in watch.notes if "byte" in note]
    assert len(notes) == 1
    assert "scale=minmax" in notes[0]


def test_val_loss_is_the_objective_over_the_held_out_rows(x):
    """Without penalties it is the loss that `evaluate` finds on these rows."""
    from gpuae.training.batches import split_rows

    fitted = trained(x, validation=0.25, noise="masking", noise_level=0.2, dropout=0.1)
    held_out = split_rows(120, 0.25, 0)[1]
    measured = evaluate(fitted.model, x[held_out]).loss
    assert fitted.model.history["val_loss"][-1] == pytest.approx(measured, rel=1e-6)


def test_the_loss_of_a_full_batch_is_that_of_the_weights_it_ends_with(x):
    fitted = trained(
        x, optimizer="lbfgs", batch_size=None, learning_rate=1e-3, validation=0, epochs=20
    )
    measured = evaluate(fitted.model, x).loss
    assert fitted.model.history["loss"][-1] == pytest.approx(measured, rel=1e-6)
    assert np.isnan(fitted.model.history["learning_rate"]).all()


def test_schedules_reach_the_history(x):
    rates = trained(x, schedule="cosine", epochs=3).model.history["learning_rate"]
    np.testing.assert_allclose(rates, [0.01, 0.0075, 0.0025], rtol=1e-12)


# Which weights are kept


def test_the_best_epoch_by_validation_is_returned(x):
    """A rate this high makes the validation loss rise and fall."""
    fitted = trained(x, learning_rate=0.5, epochs=25, validation=0.25, patience=100)
    history, best = fitted.model.history["val_loss"], fitted.result.best_epoch
    assert best == 1 + np.argmin(history)
    assert best < 25
    again = trained(x, learning_rate=0.5, epochs=best, validation=0.25, patience=100)
    np.testing.assert_array_equal(again.model.parameters, fitted.model.parameters)
    assert fitted.model.attributes["best_epoch"] == best


def test_early_stopping_waits_for_its_patience_and_goes_back(x):
    fitted = trained(x, learning_rate=0.5, epochs=200, validation=0.25, patience=3)
    history = fitted.model.history["val_loss"]
    assert fitted.result.ending is Ending.EARLY
    assert len(history) == fitted.result.best_epoch + 3
    assert np.argmin(history) == fitted.result.best_epoch - 1
    from gpuae.training.batches import split_rows

    measured = evaluate(fitted.model, x[split_rows(120, 0.25, 0)[1]]).loss
    assert measured == pytest.approx(history.min(), rel=1e-6)


@pytest.mark.parametrize("off", [{"patience": 0}, {"validation": 0, "patience": 3}])
def test_without_patience_or_validation_the_last_epoch_is_kept(x, off):
    fitted = trained(x, **{"learning_rate": 0.5, "epochs": 25, "validation": 0.25, **off})
    assert fitted.result.ending is Ending.FINISHED
    assert fitted.result.best_epoch == 25
    if off.get("validation") == 0:
        assert np.isnan(fitted.model.history["val_loss"]).all()


def test_no_epochs_give_the_initial_model(x):
    from gpuae.model.init import initial_parameters

    for own in ({}, {"optimizer": "lbfgs", "batch_size": None, "learning_rate": 1e-3}):
        fitted = trained(x, epochs=0, **own)
        start = initial_parameters(fitted.model.network, fitted.model.config)
        np.testing.assert_array_equal(fitted.model.parameters, start.astype(np.float32))
        assert fitted.result.ending is Ending.FINISHED
        assert fitted.result.best_epoch == 0
        assert len(fitted.model.history["loss"]) == 0


def test_training_starts_from_another_models_weights(x):
    first = trained(x, epochs=2).model
    unchanged = trained(x, initial=first, epochs=0).model
    np.testing.assert_array_equal(unchanged.parameters, first.parameters)
    onward = trained(x, initial=first, epochs=1).model
    assert not np.array_equal(onward.parameters, first.parameters)


@pytest.mark.parametrize("own", [{"hidden": (4,)}, {"activation": "tanh"}, {"decoder": "tied"}])
def test_a_model_of_another_shape_is_no_start(x, own):
    first = trained(x, epochs=0).model
    with pytest.raises(ConfigError, match=r"8-3-8 .*hidden, decoder and activations"):
        trained(x, initial=first, **own)


def test_a_device_that_is_not_there_is_refused_before_any_work(x):
    with pytest.raises(DeviceError, match="cuda:99"):
        trained(x, device="cuda:99")


# Steps


def test_a_last_shorter_batch_is_trained_with_its_own_m(device):
    """Two steps, of three rows and of one, by hand: sgd on a linear network in float64."""
    x = np.random.default_rng(0).random((4, 3))
    settings = {
        "hidden": (2,),
        "activation": "identity",
        "output_activation": "identity",
        "init": "glorot",
        "loss": "sse",
        "scale": "none",
        "shuffle": "none",
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "weight_decay": 0.2,
        "batch_size": 3,
        "epochs": 1,
        "validation": 0,
        "dtype": "float64",
        "device": device,
    }
    from gpuae.model.init import initial_parameters

    fitted = fit(x, Config.parse(settings))
    network = fitted.model.network
    flat = initial_parameters(network, fitted.model.config)
    encoder, decoder = network.views(flat)
    losses = []
    for rows in (x[:3], x[3:]):
        m, code = len(rows), rows @ encoder.weight + encoder.bias
        error = code @ decoder.weight + decoder.bias - rows
        decay = 0.1 * ((encoder.weight**2).sum() + (decoder.weight**2).sum())
        losses.append((error**2).sum() / 2 + m * decay)
        back = error @ decoder.weight.T
        gradients = (
            (encoder.weight, rows.T @ back / m + 0.2 * encoder.weight),
            (decoder.weight, code.T @ error / m + 0.2 * decoder.weight),
            (encoder.bias, back.sum(axis=0) / m),
            (decoder.bias, error.sum(axis=0) / m),
        )
        for parameters, gradient in gradients:
            np.subtract(parameters, 0.1 * gradient, out=parameters)
    np.testing.assert_allclose(fitted.model.parameters, flat, rtol=1e-12)
    assert fitted.model.history["loss"][0] == pytest.approx(sum(losses) / 4, rel=1e-12)


# How it ends


class Interrupting(Silence):
    """Presses Ctrl-C in the middle of an epoch, counted from 1."""

    def __init__(self, epoch):
        self.epoch, self.records = epoch, []

    def rows_done(self, epoch, rows):
        if epoch == self.epoch:
            raise KeyboardInterrupt

    def epoch_done(self, record):
        self.records.append(record)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_an_interrupted_training_keeps_the_epochs_that_are_done(device, x, optimizer):
    own = {"device": device, "validation": 0.2, "patience": 10}
    if optimizer == "lbfgs":
        own |= {"optimizer": "lbfgs", "batch_size": None, "learning_rate": 1e-3}
    fitted = trained(x, Interrupting(4), **own)
    assert fitted.result.ending is Ending.INTERRUPTED
    assert len(fitted.model.history["loss"]) == 3
    whole = trained(x, **(own | {"epochs": 3}))
    np.testing.assert_array_equal(fitted.model.parameters, whole.model.parameters)
    assert fitted.result.best_epoch == whole.result.best_epoch


def test_an_interrupted_first_epoch_keeps_its_steps(x):
    fitted = trained(x, Interrupting(1))
    start = trained(x, epochs=0).model.parameters
    assert fitted.result.ending is Ending.INTERRUPTED
    assert len(fitted.model.history["loss"]) == 0
    assert np.isfinite(fitted.model.parameters).all()
    assert not np.array_equal(fitted.model.parameters, start)


def test_an_interrupted_first_iteration_of_a_full_batch_goes_back_to_the_start(x):
    own = {"optimizer": "lbfgs", "batch_size": None, "learning_rate": 1e-3}
    fitted = trained(x, Interrupting(1), **own)
    np.testing.assert_array_equal(
        fitted.model.parameters, trained(x, epochs=0, **own).model.parameters
    )


@pytest.mark.alone
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_real_ctrl_c_stops_between_two_steps(low_rank, watch, optimizer, threads):
    """The signal comes a moment after the first epoch, while threads are at work."""
    before = threading.active_count()
    own = {}
    if optimizer == "adam":
        own = {"batch_size": 256, "tile_rows": 64, "schedule": "constant"}
    config = Config.parse(
        {"hidden": (32,), "optimizer": optimizer, "epochs": 5000, "patience": 0}
        | {"activation": "sigmoid", "init": "glorot"}
        | own
    ).model_copy(update={"threads": threads})
    armed = []

    def arm(record):
        watch.records.append(record)
        if not armed:
            ctrl_c = (threading.main_thread().ident, signal.SIGINT)
            armed.append(threading.Timer(0.15, signal.pthread_kill, ctrl_c))
            armed[0].start()

    watch.epoch_done = arm
    fitted = fit(low_rank(4000, 64).astype(np.float32), config, observer=watch)
    armed[0].join()
    assert fitted.result.ending is Ending.INTERRUPTED
    assert 1 <= len(fitted.model.history["loss"]) < 5000
    assert np.isfinite(fitted.model.parameters).all()
    assert threading.active_count() == before
    done = fitted.result.best_epoch
    assert done == len(fitted.model.history["loss"]) == len(watch.records)
    again = fit(low_rank(4000, 64).astype(np.float32), config.model_copy(update={"epochs": done}))
    np.testing.assert_array_equal(again.model.parameters, fitted.model.parameters)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_last_good_weights(
    device, low_rank, optimizer
):
    x = 1e3 * low_rank(50, 4)
    settings = {
        "hidden": (2,),
        "activation": "identity",
        "scale": "none",
        "optimizer": optimizer,
        "learning_rate": 1e30 if optimizer == "adam" else 10.0,
        "validation": 0,
        "device": device,
        "epochs": 50,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of overflows, from NumPy
        fitted = fit(x, Config.parse(settings))
    assert fitted.result.ending is Ending.DIVERGED
    assert len(fitted.result.history.records) < 50
    assert np.isfinite(fitted.model.parameters).all()
    assert np.isfinite(fitted.model.history["loss"]).all()
    assert fitted.result.best_epoch == len(fitted.result.history.records)
    with pytest.raises(DivergedError, match=r"learning_rate .*scale=minmax.* were kept") as told:
        fitted.raise_if_diverged()
    assert told.value.exit_code == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, from NumPy
def test_infinite_moments_are_a_divergence_because_their_weights_stand_still(device, low_rank):
    x = (1e12 * low_rank(60, 4)).astype(np.float32)
    settings = {"hidden": (2,), "activation": "identity", "scale": "none", "epochs": 3}
    settings |= {"output_activation": "identity", "device": device, "batch_size": 20}
    settings |= {"init": "glorot", "schedule": "constant", "validation": 0}
    fitted = fit(x, Config.parse(settings))
    with pytest.raises(DivergedError, match=r"optimizer .*scale=minmax"):
        fitted.raise_if_diverged()


@pytest.mark.parametrize(
    ("settings", "advice"),
    [({"sparsity": "kl"}, "lower beta or raise"), ({"sparsity": "l1"}, "epoch 1: raise")],
)
def test_a_diverged_lbfgs_is_told_what_it_has(low_rank, settings, advice):
    config = Config.parse(
        {"hidden": (2,), "optimizer": "lbfgs", "activation": "sigmoid"} | settings
    )
    result = fit(low_rank(30, 4), config.model_copy(update={"epochs": 0}))
    course = replace(result.result, ending=Ending.DIVERGED, lost_epoch=1)
    diverged = replace(result, result=course)
    with pytest.raises(DivergedError, match=advice):
        diverged.raise_if_diverged()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("scale", ["none", "minmax", "standard"])
def test_rows_that_cannot_be_squared_are_refused_before_any_work(low_rank, scale, wrong):
    x = low_rank(30, 4)
    x[5, 2] = wrong
    with pytest.raises(InputError):
        fit(x, Config(hidden=(2,), scale=scale, validation=0))


def test_a_full_batch_ends_when_it_has_converged(low_rank):
    config = Config(hidden=(1,), optimizer="lbfgs", epochs=5000, weight_decay=0.5, validation=0)
    fitted = fit(low_rank(30, 3), config)
    assert fitted.result.ending is Ending.CONVERGED
    assert len(fitted.result.history.records) < 1000


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_rows_is_enough(device, rows):
    x = np.random.default_rng(0).random((rows, 4))
    fitted = fit(x, Config(hidden=(2,), epochs=2, patience=0, device=device))
    assert len(fitted.model.history["loss"]) == 2
    assert np.isfinite(fitted.model.parameters).all()


def test_one_column_is_enough(device):
    x = np.random.default_rng(0).random((30, 1))
    assert np.isfinite(fit(x, Config(epochs=2, device=device)).model.parameters).all()


class Peeking(Silence):
    """Looks at the model between steps, and ends training after so many looks."""

    def __init__(self, looks=0):
        self.looks, self.models = looks, []

    def between_steps(self, so_far):
        self.models.append(so_far())
        if len(self.models) == self.looks:
            raise Interrupted


def test_an_observer_sees_the_weights_between_steps_and_keeps_what_it_saw(device, x):
    peeking = Peeking()
    fitted = trained(x, peeking, device=device, epochs=2, validation=0, patience=0)
    first, last = peeking.models[0], peeking.models[-1]
    np.testing.assert_array_equal(last.parameters, fitted.model.parameters)
    assert not np.array_equal(first.parameters, last.parameters)
    assert list(last.history["epoch"]) == [1, 2]


@pytest.mark.parametrize(
    "stage",
    [
        {},
        {"folds": 3, "patience": 2},
        {"hidden": (3, 2), "pretrain": 1},
        {"optimizer": "lbfgs", "batch_size": None, "learning_rate": None, "schedule": None},
    ],
)
def test_an_observer_may_end_training_in_any_stage(x, stage):
    peeking = Peeking(2)
    fitted = trained(x, peeking, **stage)
    assert fitted.result.ending is Ending.INTERRUPTED
    assert len(peeking.models) == 2
    assert peeking.models[0].network == fitted.model.network
