"""What a process needs to work on data larger than the memory that it may take for them."""

from __future__ import annotations

import json
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
import json, sys
import numpy as np
from gpuae.cli import run

def peak():
    # not getrusage: its figure begins with that of the process which started this one
    with open("/proc/self/status") as status:
        found = next(line for line in status if line.startswith("VmHWM:"))
    return int(found.split()[1]) * 1024

warm, measured = (json.loads(own) for own in sys.argv[1:])
for arguments in warm:
    assert run(arguments.split()) == 0
before = peak()
grown = {}
for arguments in measured:
    assert run(arguments.split()) == 0
    grown[arguments] = peak() - before
print(json.dumps(grown))
"""
FIT = "fit {} -o {}.model.h5 --force --hidden 8 --depth 1 --epochs 1 --memory {}MB"


def growth(folder, warm, measured):
    """Run commands in one process; return the bytes by which those measured had raised its peak."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(warm), json.dumps(measured)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def random_rows(path, rows, columns):
    """Write float32 rows as .npy, a block at a time."""
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
    block = np.random.default_rng(0).random((4096, columns), dtype=np.float32)
    for start in range(0, rows, 4096):
        x[start : start + 4096] = block[: rows - start]
    x.flush()


SIZE = 144 * MIB
MEMORY = 28
ROOM = 112 * MIB


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows of five times the memory, as they are and in chunks, and a few to warm up with."""
    path = tmp_path_factory.mktemp("large")
    random_rows(path / "few.npy", 2000, 512)
    random_rows(path / "rows.npy", SIZE // 2048, 512)
    with h5py.File(path / "chunks.h5", "w") as file:
        x = np.load(path / "rows.npy", mmap_mode="r")
        file.create_dataset("x", data=x, chunks=(500, 512), compression="lzf")
    return path


FITS = {way: f"{FIT.format('{}', 'm', MEMORY)} --shuffle {way}" for way in ("block", "full")}
USES = {
    use: f"{use} m.model.h5 {{}} --memory {MEMORY}MB {output}"
    for use, output in (
        *((use, "-o out.h5 --force") for use in ("encode", "score", "reconstruct")),
        ("evaluate", ""),
    )
}
DOINGS = FITS | USES


def grown(folder, data, doings):
    """Return how far doing something with the rows raises the peak of a process that knows how."""
    warm, measured = ([DOINGS[own].format(name) for own in doings] for name in ("few.npy", data))
    return growth(folder, [FITS["block"].format("few.npy"), *warm], measured)


def test_work_on_five_times_the_memory_stays_small(folder):
    sizes = grown(folder, "rows.npy", DOINGS)
    assert max(sizes.values()) < ROOM, sizes


def sometimes(doing):
    return doing if doing == "full" else pytest.param(doing, marks=pytest.mark.long)


@pytest.mark.parametrize("doing", [sometimes(own) for own in DOINGS])
def test_work_on_chunks_of_five_times_the_memory_stays_small(folder, doing):
    """Each in a process of its own: chunks leave holes in its memory."""
    (size,) = grown(folder, "chunks.h5::/x", [doing]).values()
    assert size < ROOM


def table_of_text(path, rows):
    """Write quarters as a table of 512 columns."""
    quarters = np.random.default_rng(0).integers(0, 40, (2000, 512)) / 4
    lines = "".join(",".join(map(str, row)) + "\n" for row in quarters.tolist())
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(512)) + "\n")
        for _ in range(rows // 2000):
            file.write(lines)


def table_of_parquet(path, rows):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    x = np.random.default_rng(0).random((512, rows), np.float32)
    columns = {f"c{i}": x[i] for i in range(512)}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=4000)


@pytest.mark.long
@pytest.mark.parametrize(
    ("ending", "write"), [("csv", table_of_text), ("parquet", table_of_parquet)]
)
def test_tables_of_four_times_the_memory_stay_small(tmp_path, ending, write):
    write(tmp_path / f"few.{ending}", 6000)
    write(tmp_path / f"rows.{ending}", 56_000)
    fit = FIT.format("{}", "m", MEMORY)
    (size,) = growth(
        tmp_path, [fit.format(f"few.{ending}")], [fit.format(f"rows.{ending}")]
    ).values()
    assert size < ROOM


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("lbfgs", marks=pytest.mark.long)])
@pytest.mark.parametrize("columns", [30_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_ten_rows_of_very_many_columns(tmp_path, columns, optimizer):
    """A square matrix of so many columns would take four times what is allowed, and more."""
    random_rows(tmp_path / "wide.npy", 10, columns)
    fit = f"{FIT.format('wide.npy', 'm', 1)} --optimizer {optimizer}"
    uses = ["encode m.model.h5 wide.npy -o out.h5", "evaluate m.model.h5 wide.npy"]
    grown = growth(tmp_path, [], [fit, *uses])
    assert max(grown.values()) < columns**2, grown
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/code"].shape == (10, 8)


@pytest.mark.long
def test_ten_million_rows_of_few_columns(tmp_path):
    random_rows(tmp_path / "few.npy", 4096, 4)
    random_rows(tmp_path / "tall.npy", 10_000_000, 4)

    def grown(command):
        warm, measured = ([command.format(name)] for name in ("few.npy", "tall.npy"))
        return max(growth(tmp_path, warm, measured).values())

    assert grown(f"{FIT.format('{}', 'm', 20)} --hidden 2 --batch-size 4096") < 1000 * MIB
    assert grown("encode m.model.h5 {} -o out.h5 --force --memory 20MB") < 200 * MIB
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["features/code"].shape == (10_000_000, 2)
