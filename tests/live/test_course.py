"""What is remembered of a run, of however many epochs and stages."""

import math

import numpy as np

from gpuae.config import Config
from gpuae.live.course import Course
from gpuae.live.curve import MOST_POINTS, Curve
from gpuae.training.history import EpochRecord

CONFIG = Config(epochs=10)


def record(epoch, loss=1.0, val_loss=math.nan, rate=0.1):
    return EpochRecord(epoch, loss, val_loss, rate, 0.0)


def course():
    return Course(lambda *_: ["training 4-2-4 on 9 rows", "  from the data: hidden=2"])


def test_a_curve_of_any_length_has_points_evenly_spaced_and_the_last():
    curve = Curve("")
    for epoch in range(1, 12_346):
        curve.add(record(epoch, loss=1 / epoch))
    epochs = curve.values("epoch")
    assert MOST_POINTS / 2 - 2 < len(epochs) <= MOST_POINTS
    assert set(np.diff(epochs[:-1])) == {16.0} == {float(curve.every)}
    assert epochs[-1] == 12_345
    np.testing.assert_array_equal(curve.values("loss"), 1 / epochs)


def test_a_short_curve_has_every_epoch():
    curve = Curve("")
    for epoch in range(1, 6):
        curve.add(record(epoch))
    assert curve.values("epoch").tolist() == [1, 2, 3, 4, 5]


def test_words_are_kept_with_when_they_were_said():
    own = course()
    own.note("a column is constant")
    own.chosen(CONFIG, 4, 9, {})
    assert [text for _, text in own.lines()] == [
        "a column is constant",
        "training 4-2-4 on 9 rows",
        "from the data: hidden=2",
    ]
    assert all(0 <= seconds < 10 for seconds, _ in own.lines())


def test_each_stage_has_a_curve_and_the_newest_comes_first():
    own = course()
    for stage in ("layer 1 of 2", "layer 2 of 2", "whole network"):
        own.stage_starts(stage)
        own.training_starts(CONFIG, 4, 9)
        own.epoch_done(record(1))
    titles = [panel.title for panel in own.panels()]
    assert titles == [
        "Loss: whole network",
        "Learning rate",
        "Loss: layer 2 of 2",
        "Loss: layer 1 of 2",
    ]
    assert own.where() == "whole network, epoch 1 of 10"


def test_a_second_training_of_the_same_has_a_name_of_its_own():
    own = course()
    for _ in range(2):
        own.chosen(CONFIG, 4, 9, {})
        own.training_starts(CONFIG, 4, 9)
        own.epoch_done(record(1))
    titles = [panel.title for panel in own.panels()]
    assert len(set(titles)) == len(titles) == 3


def test_rows_that_are_held_out_in_turn_have_a_curve_without_a_training_loss():
    own = course()
    own.chosen(CONFIG, 4, 9, {})
    for epoch in (1, 2):
        own.folds_done(epoch, 0.5 / epoch)
    (panel,) = own.panels()
    training, held_out = panel.series
    assert np.isnan(training.y).all()
    assert held_out.y.tolist() == [0.5, 0.25]
    shown = own.progress()
    assert (shown["epoch"], shown["share"], shown["loss"], shown["val_loss"]) == (
        2,
        0.2,
        None,
        0.25,
    )


def test_full_batches_have_no_learning_rate_to_show():
    own = course()
    own.training_starts(CONFIG, 4, 9)
    own.epoch_done(record(1, rate=math.nan))
    assert [panel.title for panel in own.panels()] == ["Loss"]
