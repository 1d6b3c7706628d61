"""Where nothing can be written a command says so in one sentence and leaves nothing behind."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROWS = 20_000
"""Their codes take more than the megabyte that there is."""
ROOM = 1 << 20


@pytest.fixture
def folder(gpuae, tmp_path):
    """A folder with a model and rows."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((ROWS, 20), np.float32))
    options = ("--hidden", 18, "--epochs", 0, "--device", "numpy")
    assert gpuae("fit", "rows.npy", "-o", "model.h5", *options).code == 0
    return tmp_path


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a small file system in memory, with options; skips where it may not.

    The other tests here need no mounting.
    """
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("this machine does not let us mount a file system")
        return disk

    yield mount
    if os.path.ismount(disk):
        subprocess.run(["umount", disk], check=True)


def commands(out):
    """Return commands whose outputs are larger than the room for them."""
    return [
        ["encode", "model.h5", "rows.npy", "-o", f"{out}/codes.h5"],
        ["reconstruct", "model.h5", "rows.npy", "-o", f"{out}/clean.h5"],
        ["convert", "rows.npy", f"{out}/rows.h5"],
        ["fit", "rows.npy", "-o", f"{out}/model.h5", "--hidden", "9000", "--epochs", "0"],
        ["compress", "model.h5", "rows.npy", "-o", f"{out}/small.h5"],
    ]


def refused(outcome_code, errors):
    assert outcome_code == 2, errors
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "Traceback" not in errors
    return lines[0]


@pytest.mark.parametrize("index", range(5))
def test_a_full_disk(gpuae, folder, mounted, index):
    disk = mounted(f"size={ROOM}")
    outcome = gpuae(*commands(disk)[index])
    message = refused(outcome.code, outcome.err)
    assert "make room" in message
    assert "make room" in message
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("index", range(3))
def test_a_full_disk_leaves_the_old_file_and_is_found_before_any_work(
    gpuae, folder, mounted, monkeypatch, index
):
    disk = mounted(f"size={ROOM}")
    command = commands(disk)[index]
    name = Path(next(part for part in command if part.startswith(str(disk))))
    name.write_text("old")
    for work in ("encode", "reconstruct"):
        monkeypatch.setattr(f"gpuae.encoding.{work}", lambda *_, **__: pytest.fail("worked"))
    outcome = gpuae(*command, "--force")
    refused(outcome.code, outcome.err)
    assert name.read_text() == "old"
    assert list(disk.iterdir()) == [name]


def _limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


@pytest.mark.parametrize("index", range(5))
def test_a_limit_on_the_size_of_files(folder, index):
    (folder / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "gpuae", *commands("out")[index]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit_files,
    )
    assert "File too large" in refused(done.returncode, done.stderr)
    assert list((folder / "out").iterdir()) == []


@pytest.mark.parametrize("index", range(5))
def test_a_file_system_that_is_read_only(gpuae, folder, mounted, index):
    disk = mounted("ro")
    outcome = gpuae(*commands(disk)[index])
    assert f"no file can be made in {disk}" in refused(outcome.code, outcome.err)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder where nobody may write")
def test_a_folder_in_which_nobody_may_write(gpuae, folder):
    for command in commands("/proc/self"):
        outcome = gpuae(*command)
        assert "no file can be made in /proc" in refused(outcome.code, outcome.err)
