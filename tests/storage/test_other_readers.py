"""Files of every kind are read by programs that know nothing of gpuae."""

import json
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

ARCHIVE = Path(__file__).parents[1] / "data" / "v1"
VALUES = json.loads((ARCHIVE / "values.json").read_text())
FILES = sorted(path.name for path in ARCHIVE.glob("*.h5"))


@pytest.mark.parametrize("name", FILES)
def test_h5py_alone_reads_all_of_a_file(run_python, name):
    program = (
        "import sys, h5py\n"
        f"with h5py.File({str(ARCHIVE / name)!r}) as file:\n"
        "    assert all(isinstance(file.attrs[key], (str, int)) or file.attrs[key].ndim == 0\n"
        "               for key in file.attrs)\n"
        "    seen = []\n"
        "    file.visititems(lambda path, item: seen.append((path, hasattr(item, 'shape'))))\n"
        "    for path, is_dataset in seen:\n"
        "        if is_dataset: file[path][()]\n"
        "    print(file.attrs['kind'], len(seen))\n"
        "assert not any(name.startswith('gpuae') for name in sys.modules)\n"
    )
    kind, count = run_python(program).split()
    assert kind == name.removesuffix(".h5").partition("-")[0]
    assert int(count) >= 2


def test_h5py_alone_finds_the_numbers():
    with h5py.File(ARCHIVE / "dataset.h5") as file:
        np.testing.assert_array_equal(file["data/x"], np.array(VALUES["data"]["x"], "f4"))
        assert file["data/y"].asstr()[:].tolist() == VALUES["data"]["y"]
        assert file["data/feature_names"].asstr()[:].tolist() == VALUES["data"]["feature_names"]
    with h5py.File(ARCHIVE / "features.h5") as file:
        np.testing.assert_array_equal(
            file["features/code"], np.array(VALUES["model-plain"]["code"], "f4")
        )
    with h5py.File(ARCHIVE / "scores.h5") as file:
        np.testing.assert_array_equal(file["scores/error"], VALUES["model-plain"]["error"])


@pytest.mark.parametrize("name", FILES)
def test_h5dump_shows_the_header_of_a_file(missing, name):
    if shutil.which("h5dump") is None:
        missing("h5dump is not installed (package hdf5-tools)")
    command = ["h5dump", "-H", ARCHIVE / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    with h5py.File(ARCHIVE / name) as file:
        assert 'ATTRIBUTE "format_version"' in done.stdout
        names = []
        file.visititems(lambda path, item: names.append((path.rpartition("/")[2], item)))
    for inner, item in names:
        kind = "DATASET" if "Dataset" in type(item).__name__ else "GROUP"
        assert f'{kind} "{inner}"' in done.stdout
