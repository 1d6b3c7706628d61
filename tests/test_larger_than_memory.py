"""What a process needs to work on data larger than the memory that it may take for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux says what a process has held"
)

MIB = 1 << 20
MEASURE = """
import sys
import numpy as np
from gpuae.cli import run

def peak():
    # not getrusage: its figure begins with that of the process which started this one
    with open("/proc/self/status") as status:
        found = next(line for line in status if line.startswith("VmHWM:"))
    return int(found.split()[1]) * 1024

*few, last = (word.split() for word in " ".join(sys.argv[1:]).split(","))
for arguments in few:
    assert run(arguments) == 0
before = peak()
assert run(last) == 0
print(peak() - before)
"""
FIT = "fit {} -o {}.model.h5 --force --hidden 8 --depth 1 --epochs 1 --memory {}MB"


def growth(folder, *commands):
    """Run commands in one process; return the bytes by which the last one raised its peak."""
    words = " , ".join(commands).split()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1])


def random_rows(path, rows, columns):
    """Write float32 rows as .npy, a block at a time."""
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
    block = np.random.default_rng(0).random((4096, columns), dtype=np.float32)
    for start in range(0, rows, 4096):
        x[start : start + 4096] = block[: rows - start]
    x.flush()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows of 200 MiB, as they are and in chunks, a few to warm up with, and a model."""
    path = tmp_path_factory.mktemp("large")
    random_rows(path / "few.npy", 2000, 512)
    random_rows(path / "rows.npy", 200 * MIB // 2048, 512)
    with h5py.File(path / "chunks.h5", "w") as file:
        x = np.load(path / "rows.npy", mmap_mode="r")
        file.create_dataset("x", data=x, chunks=(500, 512), compression="lzf")
    return path


@pytest.mark.parametrize("shuffle", ["block", "full"])
@pytest.mark.parametrize("data", ["rows.npy", "chunks.h5::/x"])
def test_training_on_five_times_the_memory_stays_small(folder, data, shuffle):
    fit = f"{FIT} --shuffle {shuffle}"
    warm, measured = (fit.format(name, "m", 40) for name in ("few.npy", data))
    assert growth(folder, warm, measured) < 100 * MIB


@pytest.mark.parametrize("data", ["rows.npy", "chunks.h5::/x"])
@pytest.mark.parametrize("command", ["encode", "score", "reconstruct", "evaluate"])
def test_using_a_model_on_five_times_the_memory_stays_small(folder, data, command):
    output = "" if command == "evaluate" else "-o out.h5 --force"
    warm, measured = (
        f"{command} few.model.h5 {name} {output} --memory 40MB" for name in ("few.npy", data)
    )
    assert growth(folder, FIT.format("few.npy", "few", 40), warm, measured) < 100 * MIB


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_ten_rows_of_a_hundred_thousand_columns(tmp_path, optimizer):
    random_rows(tmp_path / "wide.npy", 10, 100_000)
    fit = f"{FIT.format('wide.npy', 'm', 1)} --optimizer {optimizer}"
    growth(tmp_path, fit, "encode m.model.h5 wide.npy -o out.h5", "evaluate m.model.h5 wide.npy")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/code"].shape == (10, 8)


@pytest.mark.long
def test_ten_million_rows_of_few_columns(tmp_path):
    random_rows(tmp_path / "few.npy", 4096, 4)
    random_rows(tmp_path / "tall.npy", 10_000_000, 4)
    fits = (
        f"{FIT.format(name, 'm', 20)} --hidden 2 --batch-size 4096"
        for name in ("few.npy", "tall.npy")
    )
    assert growth(tmp_path, *fits) < 1000 * MIB
    encodes = (
        f"encode m.model.h5 {name} -o out.h5 --force --memory 20MB"
        for name in ("few.npy", "tall.npy")
    )
    assert growth(tmp_path, *encodes) < 200 * MIB
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/code"].shape == (10_000_000, 2)
