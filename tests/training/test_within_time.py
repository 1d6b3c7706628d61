"""Training that may take so long has as many epochs as fit, and its schedule ends with them."""

import math

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.durations import seconds_of, worded
from gpuae.errors import ConfigError
from gpuae.training import fitting
from gpuae.training.checkpoint import Checkpoints, Interval
from gpuae.training.deadline import Deadline, TimeOver
from gpuae.training.history import Silence
from gpuae.training.speed import Speed
from gpuae.training.trainer import Ending

SETTINGS = {"hidden": 2, "seed": 1, "device": "numpy", "folds": 1, "patience": 0}


@pytest.fixture
def x(low_rank):
    return low_rank(200, 6).astype(np.float32)


@pytest.fixture
def speed(monkeypatch):
    """A function that lets steps seem to take so long."""

    def arrange(seconds_an_epoch, rows=180):
        own = Speed(seconds_an_epoch / rows, 0.0)
        monkeypatch.setattr(fitting, "measure", lambda *_: own)

    return arrange


def fit(x, *, observer=None, checkpoints=None, **settings):
    config = Config(**SETTINGS, **settings)
    return fitting.fit(x, config, observer=observer, checkpoints=checkpoints)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5min", 90), ("2 h", 7200), ("0.5s", 0.5)]
)
def test_a_time_has_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["10", "min", "-1s", "0s", "0.0h", "1d", "1e3s", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="is not a time"):
        seconds_of(text)
    if text:
        with pytest.raises(ConfigError, match="max_time"):
            Config.parse({"max_time": text})


def test_durations_are_worded_in_their_unit():
    assert [worded(own) for own in (0.0123, 5.25, 42.4, 90, 5400)] == [
        "0.012 s",
        "5.2 s",
        "42 s",
        "1.5 min",
        "1.5 h",
    ]


def test_a_deadline_counts_down_and_ends_training_at_its_end():
    clock = Clock()
    deadline = Deadline(10, clock)
    deadline.check()
    clock.now = 4
    assert deadline.left == 6
    deadline.spend(5)
    assert deadline.part(0.5).left == 0.5
    clock.now = 5
    with pytest.raises(TimeOver):
        deadline.check()
    assert not Deadline(math.inf, clock).limited


def test_an_epoch_with_folds_trains_all_networks():
    own = Speed(row=1.0, evaluated_row=0.1)
    assert own.epoch(100, 20, 1) == pytest.approx(102)
    assert own.epoch(100, 0, 4) == pytest.approx(3 * 100 + 100 + 10)


def test_as_many_epochs_are_trained_as_fit_and_can_be_asked_for(x, speed):
    speed(100.0)
    limited = fit(x, max_time="1000s", epochs=50)
    assert limited.result.ending is Ending.FINISHED
    assert limited.result.epochs in (8, 9)
    again = fit(x, epochs=limited.result.epochs)
    assert again.model.parameters.tobytes() == limited.model.parameters.tobytes()
    assert again.model.config.stored() == limited.model.config.stored()


def test_patience_is_that_of_the_epochs_there_are_time_for(x, speed):
    speed(100.0)
    config = Config(hidden=2, device="numpy", folds=1, epochs=50, max_time="1000s")
    limited = fitting.fit(x, config)
    asked = fitting.fit(x, Config(hidden=2, device="numpy", folds=1, epochs=8))
    assert limited.model.config.patience == asked.model.config.patience


def test_the_schedule_ends_with_the_time(x, speed):
    speed(100.0)
    rates = fit(x, max_time="1000s", epochs=50, schedule="cosine").model.history["learning_rate"]
    assert rates[-1] < 0.1 * rates[0]


def test_no_more_epochs_are_trained_than_without_a_limit(x, speed):
    speed(1e-3)
    assert fit(x, max_time="1h", epochs=3).result.epochs == 3


def test_what_is_decided_is_said(x, speed):
    class Ear(Silence):
        def chosen(self, config, columns, rows, reasons):
            self.heard = config.epochs, reasons["epochs"]

    ear = Ear()
    speed(100.0)
    fit(x, max_time="1000s", epochs=50, observer=ear)
    assert ear.heard[0] == 8
    assert ear.heard[1] == "as many as max_time=1000s has room for, at 1.67 min each"


class Sleepy(Silence):
    """Takes long over the second epoch, on a clock of its own."""

    def __init__(self, clock, epoch):
        self.clock, self.epoch = clock, epoch

    def epoch_done(self, record):
        if record.epoch == self.epoch:
            self.clock.now += 1e6


def test_slow_epochs_end_with_the_time_and_the_best_weights(x, speed, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Deadline, "of", lambda config: Deadline(1000, clock))
    speed(100.0)
    fitted = fit(x, max_time="1000s", epochs=50, observer=Sleepy(clock, 2))
    assert fitted.result.ending is Ending.OUT_OF_TIME
    assert fitted.result.epochs == fitted.result.best_epoch == 2
    assert not fitted.interrupted


def test_the_last_epoch_counts_however_long_it_took(x, speed, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Deadline, "of", lambda config: Deadline(1000, clock))
    speed(1.0)
    fitted = fit(x, max_time="1000s", epochs=3, observer=Sleepy(clock, 3))
    assert fitted.result.ending is Ending.FINISHED


def test_a_part_of_the_first_epoch_is_better_than_nothing(x, speed):
    speed(1e9)
    fitted = fit(x, max_time="0.001s", epochs=50)
    assert fitted.result.ending is Ending.OUT_OF_TIME
    assert fitted.result.best_epoch == 0
    assert np.isfinite(fitted.model.parameters).all()


def test_folds_leave_time_for_the_last_fit(x, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Deadline, "of", lambda config: Deadline(1000, clock))
    monkeypatch.setattr(fitting, "measure", lambda *_: Speed(1e-6, 0.0))

    class Slow(Silence):
        def folds_done(self, epoch, val_loss):
            clock.now += 100.0

    config = Config(hidden=2, device="numpy", folds=4, epochs=50, max_time="1000s", init="glorot")
    fitted = fitting.fit(x, config, observer=Slow())
    assert fitted.result.epochs_validated == 8
    assert fitted.result.ending is Ending.OUT_OF_TIME
    assert len(fitted.result.history.records) >= 1


def test_lbfgs_ends_with_the_time(x, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Deadline, "of", lambda config: Deadline(1000, clock))
    fitted = fit(x, optimizer="lbfgs", epochs=50, max_time="1000s", observer=Sleepy(clock, 4))
    assert fitted.result.ending is Ending.OUT_OF_TIME
    assert fitted.result.epochs == 4


def test_a_run_that_goes_on_has_the_time_that_is_left(x, speed, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    speed(100.0)

    class Stop(Silence):
        def epoch_done(self, record):
            if record.epoch == 3:
                raise KeyboardInterrupt

    every = Interval(None, 1)
    stopped = fit(
        x,
        max_time="1000s",
        epochs=50,
        checkpoints=Checkpoints(path, every),
        observer=Stop(),
    )
    assert stopped.interrupted
    speed(1.0)  # another speed decides nothing any more
    resumed = fit(x, max_time="1000s", epochs=50, checkpoints=Checkpoints(path, every, resume=True))
    assert resumed.result.epochs == 8
    whole = fit(x, epochs=8)
    assert resumed.model.parameters.tobytes() == whole.model.parameters.tobytes()
    spent = Checkpoints(path, every, resume=True).begun().seconds
    late = fit(
        x,
        max_time=f"{spent / 2:.6f}s",
        epochs=50,
        checkpoints=Checkpoints(path, every, resume=True),
    )
    assert late.result.epochs == 8  # all were done before


def test_layers_trained_one_by_one_have_no_limit():
    with pytest.raises(ConfigError, match="max_time cannot be kept by pretrain"):
        Config.parse({"hidden": (4, 2), "pretrain": 1, "max_time": "1h"})


@pytest.mark.alone
@pytest.mark.long
def test_training_takes_about_the_time_it_is_given(low_rank):
    import time

    x = low_rank(20_000, 100).astype(np.float32)
    config = Config(hidden=(64, 8), folds=1, epochs=10_000, patience=0, max_time="6s")
    fitting.fit(x, config.model_copy(update={"max_time": "1s"}))  # compiles
    began = time.perf_counter()
    fitted = fitting.fit(x, config)
    assert 3 < time.perf_counter() - began < 8
    assert fitted.result.epochs > 5
