"""What every user needs works with nothing but what Windows has, as far as Linux can pretend."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import PACKAGE, ROOT

BEGIN = """
import sys; sys.path.insert(0, {tests!r})
import like_windows; like_windows.become()
import numpy as np, gpuae
from gpuae.cli import run
def command(line, code=0):
    assert run(line.split()) == code, line
"""
SHORT = """
rows = np.load("rows.npy")
model = gpuae.Autoencoder(hidden=2, epochs=2, patience=0).fit(rows)
model.save("model.h5")
model.save("model.h5", force=True)
np.testing.assert_array_equal(gpuae.load("model.h5").transform(rows), model.transform(rows))
command("encode model.h5 rows.npy -o codes.h5")
command("encode model.h5 rows.npy -o codes.h5", 2)
command("encode model.h5 rows.npy -o codes.h5 --force")
command("verify model.h5 codes.h5 rows.npy")
"""
LONG = """
command("convert rows.csv rows.h5")
for name in ("rows.npy", "rows.csv", "rows.h5"):
    command(f"fit {name} -o model.h5 --hidden 3 --epochs 4 --checkpoint last.h5 --force")
    for line in ("encode model.h5 {} -o codes.h5", "encode model.h5 {} -o codes.parquet",
                 "score model.h5 {} -o scores.csv", "reconstruct model.h5 {} -o again.h5"):
        command(f"{line.format(name)} --force")
    command(f"evaluate model.h5 {name}")
command("fit rows.csv -o small.h5 --memory 1K --epochs 2")
command("fit rows.h5 -o model.h5 --hidden 3 --epochs 4 --checkpoint last.h5 --resume --force")
command("decode model.h5 codes.h5 -o decoded.h5")
command("compress model.h5 rows.h5 -o compressed.h5")
command("decompress compressed.h5 -o decompressed.h5")
command("neighbors model.h5 rows.h5 --of 0,1 -o near.csv")
command("dimensions rows.npy")
command("inspect codes.h5")
command("report model.h5 rows.h5 -o report.html")
command("plot weights model.h5 -o weights.png")
command("plot weights model.h5")
command("doctor")
"""


@pytest.fixture
def pretending(tmp_path):
    """A function that runs a program like that in a folder with some rows."""
    rows = np.random.default_rng(0).random((60, 5)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    np.savetxt(tmp_path / "rows.csv", rows, "%g", ",", header="a,b,c,d,e", comments="")

    def call(program):
        begin = BEGIN.format(tests=str(Path(__file__).parent))
        command = [sys.executable, "-c", begin + program]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return call


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_is_trained_saved_replaced_and_used(pretending, tmp_path):
    pretending(SHORT)
    assert names_in(tmp_path) == ["codes.h5", "model.h5", "rows.csv", "rows.npy"]


@pytest.mark.long
def test_the_commands_read_and_write_every_kind_of_file(pretending, tmp_path):
    pretending(LONG)
    assert not [name for name in names_in(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize(
    "use", ["os.unlink('a')", "os.replace('a', 'b')", "os.replace('b', 'a')", "os.open('.', 0)"]
)
def test_pretending_keeps_files_that_are_open_or_mapped(tmp_path, use):
    program = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import like_windows; like_windows.take_away(); like_windows.keep_open_files()\n"
        "file = open('a')\n"
        f"try: {use}\n"
        "except PermissionError: pass\n"
        "else: sys.exit('was done')\n"
        "assert not hasattr(os, 'pread')\n"
    )
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env={**os.environ})


CALLED = {
    "importers/growing_rows.py": "a temporary file has another class there, with the same methods",
    "memory.py": "asked for first",
    "plots/image.py": "used where there is termios",
    "storage/files/locks.py": "used where there is fcntl",
    "storage/files/open_files.py": "used where there is resource",
    "storage/files/output_file.py": "permissions are kept where they can be",
    "storage/files/system.py": "asked for first",
    "storage/hdf5/process.py": "used where there is resource",
    "storage/rows/lost_pages.py": "used on Linux",
    "storage/rows/pages.py": "asked for first",
}
"""Modules that call what Windows lacks, and why that does no harm there."""


@pytest.mark.long
def test_what_windows_lacks_is_called_where_that_is_known_alone(tmp_path):
    options = ["--platform", "win32", "--cache-dir", str(tmp_path), "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, str(PACKAGE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(re.findall(r"gpuae/(\S+\.py):", done.stdout)) == CALLED.keys(), done.stdout
