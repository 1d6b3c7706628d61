"""Commands that may take so long stop in time, and go on when they are called again."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae.cli.time_limit import NOT_DONE

FIT = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)
AT_ONCE = ("--max-time", "0.000001s")
"""Over when it begins: a block of rows, or no run at all, is what is done."""


@pytest.fixture
def many(gpuae):
    np.save("many.npy", np.random.default_rng(0).random((1500, 6)).astype(np.float32))
    assert gpuae("fit", "many.npy", "-o", "own.h5", *FIT, "--folds", 1).code == 0


def encode(gpuae, output, *more):
    return gpuae("encode", "own.h5", "many.npy", "-o", output, "--threads", 1, *more)


def codes(path):
    with h5py.File(path) as file:
        return file["features/code"][()]


def test_encode_stops_in_time_and_goes_on(gpuae, many):
    stopped = encode(gpuae, "codes.h5", *AT_ONCE)
    assert stopped.code == NOT_DONE
    assert "give the same command with --resume" in stopped.err
    assert not Path("codes.h5").exists()
    resumed = encode(gpuae, "codes.h5", "--resume")
    assert resumed.code == 0
    assert "going on at row" in resumed.err
    assert encode(gpuae, "whole.h5").code == 0
    np.testing.assert_array_equal(codes("codes.h5"), codes("whole.h5"))


def test_encode_comes_to_an_end_however_little_time_it_is_given(gpuae, many):
    for _ in range(30):
        outcome = encode(gpuae, "codes.h5", "--resume", *AT_ONCE)
        if outcome.code != NOT_DONE:
            break
    assert outcome.code == 0
    assert len(codes("codes.h5")) == 1500


def test_encode_that_is_done_in_time_says_nothing_of_it(gpuae, many):
    outcome = encode(gpuae, "codes.h5", "--max-time", "1h")
    assert outcome.code == 0
    assert "time" not in outcome.err


def test_a_table_cannot_be_gone_on_with(gpuae, many):
    refused(encode(gpuae, "codes.csv", *AT_ONCE), "codes.csv", "--max-time", ".h5")
    assert not Path("codes.csv").exists()


def test_a_sweep_stops_in_time_and_goes_on(gpuae, many):
    sweep = ("sweep", "many.npy", "-o", "sweep", "--hidden", "1,2", "--epochs", 1)
    stopped = gpuae(*sweep, *AT_ONCE)
    assert stopped.code == NOT_DONE
    assert "give the same command again" in stopped.err
    assert not list(Path("sweep").glob("*/model.h5"))
    assert gpuae(*sweep, "--max-time", "1h").code == 0
    assert len(list(Path("sweep").glob("*/model.h5"))) == 2


def test_fit_in_no_time_is_a_model_all_the_same(gpuae, many):
    outcome = gpuae("fit", "many.npy", "-o", "short.h5", "--hidden", "4,2", *AT_ONCE)
    assert outcome.code == 0
    assert "out of time" in outcome.out
    assert Path("short.h5").exists()


@pytest.mark.parametrize("command", ["fit", "encode", "sweep"])
@pytest.mark.parametrize("time", ["10", "0s", "tomorrow"])
def test_a_time_needs_a_unit(gpuae, many, command, time):
    words = {
        "fit": ("many.npy", "-o", "a.h5"),
        "encode": ("own.h5", "many.npy", "-o", "a.h5"),
        "sweep": ("many.npy", "-o", "a", "--hidden", "1,2"),
    }[command]
    outcome = gpuae(command, *words, "--max-time", time)
    assert outcome.code == 2
    assert "max" in outcome.err
    assert "10min" in outcome.err
