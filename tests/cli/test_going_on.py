"""Interrupted commands say how to go on, and go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae.storage.files.locked_file import held
from gpuae.storage.files.output_file import partial_name

FIT = ("fit", "rows.npy", "-o", "model.h5", "--hidden", 3, "--schedule", "constant",
       "--patience", 0, "--checkpoint", "run.h5")  # fmt: skip
"""Of a schedule and a patience that do not depend on the epochs, of which there may be more."""


@pytest.fixture
def rows(gpuae, tmp_path):
    x = np.random.default_rng(0).random((2000, 6), dtype=np.float32)
    np.save(tmp_path / "rows.npy", x)
    return x


def test_going_on_needs_a_checkpoint(gpuae, rows):
    arguments = FIT[: FIT.index("--checkpoint")]
    outcome = gpuae(*arguments, "--resume")
    assert outcome.code == 2
    assert "--resume needs --checkpoint FILE" in outcome.err


def test_with_nothing_to_go_on_from_it_begins(gpuae, rows):
    assert gpuae(*FIT, "--epochs", 1, "--resume").code == 0
    assert Path("model.h5").exists()


def test_a_checkpoint_that_is_there_is_neither_overwritten_nor_gone_on_from_unasked(gpuae, rows):
    assert gpuae(*FIT, "--epochs", 1).code == 0
    Path("model.h5").unlink()
    before = Path("run.h5").read_bytes()
    refused(gpuae(*FIT, "--epochs", 2), "run.h5", "give --resume to go on from it", "--force")
    assert Path("run.h5").read_bytes() == before
    assert gpuae(*FIT, "--epochs", 2, "--resume").code == 0


@pytest.mark.parametrize("every", ["5", "0min", "1.5epochs"])
def test_how_often_is_a_time_or_epochs(gpuae, rows, every):
    refused(gpuae(*FIT, "--checkpoint-every", every), "checkpoint-every", every)


def test_the_model_and_its_checkpoint_are_two_files(gpuae, rows):
    outcome = gpuae(*FIT[:-1], "model.h5")
    assert outcome.code == 2
    assert "name the same file" in outcome.err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_writes_a_checkpoint_and_says_how_to_go_on(gpuae, rows, tmp_path, name):
    command = [sys.executable, "-m", "gpuae", *map(str, FIT), "--epochs", "100000"]
    arguments = [*command, "--checkpoint-every", "1h"]
    process = subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not Path("run.h5").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "give the same command with --resume" in said
    assert "Traceback" not in said
    assert not Path("model.h5").exists()
    with h5py.File("run.h5") as file:
        epochs = len(file["train/history/epoch"])
    assert epochs > 0
    assert gpuae(*FIT, "--epochs", epochs, "--resume").code == 0
    whole = [*map(str, FIT[: FIT.index("--checkpoint")]), "--epochs", str(epochs)]
    whole[whole.index("model.h5")] = "whole.h5"
    assert gpuae(*whole).code == 0
    assert gpuae("verify", "--same", "model.h5", "whole.h5").code == 0


def test_a_checkpoint_is_a_model_too(gpuae, rows):
    assert gpuae(*FIT, "--epochs", 2).code == 0
    for name in ("run.h5", "model.h5"):
        assert gpuae("encode", name, "rows.npy", "-o", f"{name}.codes.h5").code == 0
    with h5py.File("run.h5.codes.h5") as one, h5py.File("model.h5.codes.h5") as other:
        np.testing.assert_array_equal(one["features/code"], other["features/code"])


def test_one_checkpoint_is_of_one_run_at_a_time(gpuae, rows):
    with held(Path("run.h5")):
        refused(gpuae(*FIT, "--epochs", 1), "run.h5: another process is writing it")
    assert not Path("model.h5").exists()
    assert gpuae(*FIT, "--epochs", 1).code == 0


def test_an_input_under_a_hidden_name_of_the_output_is_not_touched(gpuae, rows):
    own = partial_name(Path("model.h5"))
    Path("rows.npy").rename(own)
    outcome = gpuae("fit", own, "-o", "model.h5", "--epochs", 0)
    refused(outcome, "would be written under the name of the input")
    assert np.load(own).shape == rows.shape
