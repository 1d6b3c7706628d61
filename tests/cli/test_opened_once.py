"""A command opens each of its inputs once, and lets one process read it where it is HDF5."""

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

COUNTING = """
import contextlib, io, os, sys
from collections import Counter
from gpuae.cli import run

opened = Counter()
os.chdir({folder!r})

def look(event, given):
    if event == "open" and isinstance(given[0], str | bytes | os.PathLike):
        opened[os.path.basename(os.fsdecode(given[0]))] += 1
    elif event == "os.fork":
        opened["processes"] += 1

def by_hdf5(name, *given, **options):  # which opens files without Python's knowing
    opened[os.path.basename(os.fsdecode(name))] += 1
    return own(name, *given, **options)

import h5py
own, h5py.h5f.open = h5py.h5f.open, by_hdf5
sys.addaudithook(look)
for line in {lines!r}:
    opened.clear()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(line.split())
    assert code == 0, f"{{line}}: {{said.getvalue()}}"
    print(line, "|", *[f"{{name}}={{opened[name]}}" for name in {names!r}], sep=",")
"""
INPUTS = (
    *("rows.csv", "rows.csv.gz", "rows.npy", "rows.npz", "rows.parquet", "rows.h5", "cells.h5ad"),
    *("m.mat", "labels.csv", "model.h5", "features.h5", "again.h5"),
)
HDF5 = (".h5", ".h5ad", ".mat")
FIT = "-o out.h5 --force --hidden 2 --epochs 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in many formats, a model of them and its features."""
    folder = tmp_path_factory.mktemp("inputs")
    x = np.random.default_rng(1).random((60, 4))
    text = "a,b,c,d\n" + "".join(",".join(map(repr, row)) + "\n" for row in x.tolist())
    (folder / "rows.csv").write_text(text)
    (folder / "rows.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "labels.csv").write_text("label\n" + "0\n1\n" * 30)
    np.save(folder / "rows.npy", x)
    np.savez(folder / "rows.npz", x=x)
    _write_parquet(folder / "rows.parquet", x)
    with h5py.File(folder / "rows.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(7, 2), compression="gzip")
        file.create_dataset("quick", data=x, compression="lzf")
    with h5py.File(folder / "cells.h5ad", "w") as file:
        file.attrs["encoding-type"] = "anndata"
        file["X"] = x
        for frame, count in (("obs", 60), ("var", 4)):
            file[f"{frame}/_index"] = [f"{frame}{i}" for i in range(count)]
    with h5py.File(folder / "m.mat", "w", userblock_size=512) as file:
        file["X"] = x.T
        file["X"].attrs["MATLAB_class"] = np.bytes_("double")
    with (folder / "m.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    return folder


def _write_parquet(path, x):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {name: x[:, place] for place, name in enumerate("abcd")}
    parquet.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def counted(folder, run_python):
    """How often each command opened what, by the command."""
    lines = [
        "fit rows.csv -o model.h5 --force --hidden 2 --epochs 1",
        "encode model.h5 rows.csv -o features.h5 --force",
        "encode model.h5 rows.csv -o again.h5 --force",
        *COMMANDS,
    ]
    program = COUNTING.format(folder=str(folder), lines=lines, names=[*INPUTS, "processes"])
    said = run_python(program, timeout=120)
    counts = {}
    for line in said.splitlines():
        command, _, found = line.partition(",|,")
        counts[command] = {n: int(c) for n, c in (part.split("=") for part in found.split(","))}
    return counts


COMMANDS = {
    f"fit rows.csv {FIT} --init-from model.h5 --validation-data rows.npy": 3,
    f"fit rows.csv.gz {FIT}": 1,
    f"fit rows.npz {FIT}": 1,
    f"fit rows.parquet {FIT}": 1,
    f"fit rows.h5::/x {FIT} --memory 1": 1,
    f"fit cells.h5ad {FIT}": 1,
    f"fit m.mat {FIT}": 1,
    "convert rows.npy out.h5 --force --labels labels.csv": 2,
    "encode model.h5 rows.npy -o out.h5 --force": 2,
    "encode model.h5 rows.h5::/x -o out.h5 --force": 2,
    "encode model.h5 rows.h5::/quick -o out.h5 --force --memory 1": 2,
    "reconstruct model.h5 rows.csv -o out.h5 --force": 2,
    "score model.h5 rows.parquet -o out.csv --force": 2,
    "decode model.h5 features.h5 -o out.h5 --force": 2,
    "neighbors model.h5 features.h5 --of 1": 2,
    "evaluate model.h5 rows.npy": 2,
    "inspect model.h5": 1,
    "verify model.h5 features.h5 rows.csv": 3,
    "verify --same features.h5 again.h5": 2,
}
"""Commands and how many inputs each has."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_opens_each_input_once(counted, command):
    found = {name: count for name, count in counted[command].items() if count}
    processes = found.pop("processes", 0)
    assert found == dict.fromkeys(found, 1)
    assert len(found) == COMMANDS[command]
    assert processes <= sum(Path(name).suffix in HDF5 for name in found)
