"""AnnData's, SciPy's and MATLAB's files through the commands and into gpuae's own."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import sparse

from gpuae.cli import run
from gpuae.importers import open_data
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset, write_dataset

FIT = ("--hidden", 3, "--epochs", 2, "--patience", 0)
NAMES = ("cells.h5ad", "dense.h5ad", "counts.npz", "spectra.mat")


@pytest.fixture
def rows():
    return np.random.default_rng(1).poisson(0.8, (40, 6)).astype(np.float32)


@pytest.fixture(params=NAMES)
def data(request, tmp_path, monkeypatch, rows, write_h5ad, write_mat):
    """The name of a file with `rows` in the working folder."""
    monkeypatch.chdir(tmp_path)
    path = Path(request.param)
    if path.suffix == ".npz":
        sparse.save_npz(path, sparse.csr_matrix(rows))
    elif path.suffix == ".mat":
        write_mat(path, {"X": rows, "y": np.arange(40.0)[:, np.newaxis]})
    else:
        write_h5ad(path, {"X": rows if path.stem == "dense" else sparse.csr_matrix(rows)})
    return request.param


def gpuae(*arguments):
    assert run([str(argument) for argument in arguments]) == 0


def test_a_model_is_the_same_from_the_file_and_from_what_it_was_converted_to(data, rows):
    gpuae("convert", data, "own.h5")
    np.testing.assert_array_equal(open_dataset(InputFile(Path("own.h5"))).x, rows)
    codes = []
    for source in (data, "own.h5"):
        gpuae("fit", source, "-o", "model.h5", *FIT, "--force")
        gpuae("encode", "model.h5", source, "-o", "features.h5", "--force")
        with h5py.File("features.h5") as features:
            codes.append(features["features/code"][:])
            if data.endswith("h5ad"):
                assert features["features/row_id"].asstr()[39] == "AAC-39"
            if data.endswith("mat"):
                assert features["features/y"][39] == 39
    np.testing.assert_array_equal(*codes)


def test_the_model_and_its_codes_do_not_depend_on_how_much_is_in_memory(data):
    made = []
    for memory in ("1GB", "8"):
        options = ("--force", "--memory", memory)
        gpuae("fit", data, "-o", "model.h5", *FIT, *options)
        gpuae("encode", "model.h5", data, "-o", "features.h5", *options)
        with h5py.File("features.h5") as features:
            made.append(features["features/code"][:])
    np.testing.assert_array_equal(*made)


def test_what_is_read_block_by_block_is_written_the_same(data, rows):
    write_dataset(Path("whole.h5"), open_data(data), force=False)
    write_dataset(Path("blocks.h5"), open_data(data, memory=8), force=False)
    assert Path("whole.h5").read_bytes() == Path("blocks.h5").read_bytes()
    np.testing.assert_array_equal(open_dataset(InputFile(Path("blocks.h5"))).x, rows)


def test_a_model_knows_the_names_of_its_genes(tmp_path, monkeypatch, rows, write_h5ad, capsys):
    monkeypatch.chdir(tmp_path)
    write_h5ad(Path("a.h5ad"), {"X": sparse.csr_matrix(rows)})
    write_h5ad(Path("b.h5ad"), {"X": sparse.csr_matrix(rows)})
    with h5py.File("b.h5ad", "r+") as file:
        file["var/gene"][0] = "another"
    gpuae("fit", "a.h5ad", "-o", "model.h5", *FIT)
    assert run(["encode", "model.h5", "b.h5ad", "-o", "features.h5"]) == 2
    assert "lacks 1 column of model.h5, the first is 'ENS0'" in capsys.readouterr().err
