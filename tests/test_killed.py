"""Processes that are killed at random moments, and gone on with."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

MANY = 25
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["gpuae.cli.fit_task", "gpuae.training.fitting", "gpuae.encoding"])

FIT = ["fit", "rows.npy", "-o", "OUT", "--hidden", "8,4", "--epochs", "2", "--batch-size", "16"]
FIT += ["--sparsity", "kl", "--noise", "masking", "--noise-level", "0.2", "--threads", "2"]
FIT += ["--patience", "0", "--pretrain", "1"]
CHECKPOINTS = ["--checkpoint", "run.h5", "--checkpoint-every", "0.001s", "--resume"]
ENCODE = ["encode", "model.h5", "rows.npy", "-o", "OUT"]


def in_small_pieces(folder, arguments):
    """Run a command that can be gone on with at very many places."""
    import os

    from gpuae.cli import main
    from gpuae.storage.outputs import hdf5_output
    from gpuae.training.progress_chunks import ProgressChunks

    os.chdir(folder)
    os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.dup2(2, 1)
    hdf5_output.SYNC_SECONDS = 0.0
    write = hdf5_output.RowsOutput.write

    def slowly(self, start, rows):
        Path("began").touch()
        time.sleep(0.002)
        write(self, start, rows)

    def small(_, stretches):
        Path("began").touch()
        return (steps[i : i + 8] for steps in stretches for i in range(0, len(steps), 8))

    hdf5_output.RowsOutput.write = slowly
    ProgressChunks.of = small
    main(arguments)


def run(folder, arguments, seconds=None, *, from_start=False):
    """Run a command in a process of its own; return how long it worked, None if it was killed.

    It is killed after so many seconds of work, or after so many from its start.
    """
    began = folder / "began"
    began.unlink(missing_ok=True)
    process = CONTEXT.Process(target=in_small_pieces, args=(str(folder), arguments))
    process.start()
    while not from_start and not began.exists() and process.is_alive():
        time.sleep(0.001)
    since = time.perf_counter()
    process.join(seconds)
    took = time.perf_counter() - since
    killed = process.exitcode is None
    process.kill()
    process.join()
    assert killed or process.exitcode == 0, (folder / "said").read_text()[-2000:]
    return None if killed else took


def until_done(folder, name, arguments, seconds, random_moments):
    """Begin and go on until it is done; return how often it was killed."""
    kills, longest = 0, seconds
    while not (folder / name).exists():
        early = random_moments.random() < 0.2
        moment = random_moments.uniform(0, 1.0 if early else longest)
        kills += run(folder, arguments, moment, from_start=early) is None
        longest = max(longest, kills * seconds / 20)  # it comes to an end, however slow it is
    return kills


def same_but_for_seconds(one, other):
    with h5py.File(one) as a, h5py.File(other) as b:
        paths = []
        a.visit(paths.append)
        theirs = []
        b.visit(theirs.append)
        assert paths == theirs
        for path in paths:
            if isinstance(a[path], h5py.Dataset) and not path.endswith("seconds"):
                np.testing.assert_array_equal(a[path][()], b[path][()], err_msg=path)
        assert dict(a.attrs) == dict(b.attrs)


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((1000, 12), dtype=np.float32))
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("wanted", [MANY])
def test_a_fit_that_is_killed_ends_in_the_same_bits(folder, wanted):
    whole = [word.replace("OUT", "whole.h5") for word in FIT]
    run(folder, whole)
    seconds = run(folder, [*whole, "--force", *CHECKPOINTS])
    (folder / "run.h5").unlink()
    arguments = [word.replace("OUT", "model.h5") for word in FIT] + CHECKPOINTS
    moments, killed = random.Random(0), 0
    while killed < wanted:
        killed += until_done(folder, "model.h5", arguments, seconds, moments)
        same_but_for_seconds(folder / "whole.h5", folder / "model.h5")
        for name in ("model.h5", "run.h5"):
            (folder / name).unlink()


@pytest.mark.parametrize("wanted", [3, pytest.param(MANY, marks=pytest.mark.long)])
def test_an_encode_that_is_killed_ends_in_the_same_bytes(folder, wanted):
    run(folder, [word.replace("OUT", "model.h5") for word in FIT])
    arguments = [word.replace("OUT", "codes.h5") for word in ENCODE]
    run(folder, arguments)
    seconds = run(folder, [*arguments, "--force", "--resume"])
    whole = (folder / "codes.h5").read_bytes()
    moments, killed, gone_on = random.Random(0), 0, False
    while killed < wanted or (killed < MANY and not gone_on):
        (folder / "codes.h5").unlink()
        killed += until_done(folder, "codes.h5", [*arguments, "--resume"], seconds, moments)
        assert (folder / "codes.h5").read_bytes() == whole
        gone_on = "going on at row" in (folder / "said").read_text()
    assert gone_on
