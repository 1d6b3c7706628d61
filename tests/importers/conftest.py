"""Files of other programs, written by h5py as their specifications say."""

import h5py
import numpy as np
import pytest
from scipy.sparse import csr_matrix

TEXT = h5py.string_dtype()


@pytest.fixture
def counts():
    """Counts (7, 5) in float32, most of them zero, with a row and a column that are all zero."""
    counts = np.random.default_rng(0).poisson(0.6, (7, 5)).astype(np.float32)
    counts[3] = counts[:, 1] = 0
    return counts


@pytest.fixture
def write_h5ad():
    """A function that writes an AnnData file with any matrices, by their paths in it."""
    return _write_h5ad


def _write_h5ad(path, matrices, names=("cell", "gene"), **options):
    rows, columns = next(iter(matrices.values())).shape
    with h5py.File(path, "w") as file:
        _encode(file, "anndata", "0.1.0")
        for inner, matrix in matrices.items():
            _write_matrix(file, inner, matrix, options)
        _write_frame(file, "obs", names[0], [f"AAC-{row}" for row in range(rows)])
        _write_frame(file, "var", names[1], [f"ENS{column}" for column in range(columns)])
    return path


def _encode(item, kind, version):
    item.attrs["encoding-type"], item.attrs["encoding-version"] = kind, version


def _write_matrix(file, inner, matrix, options):
    if isinstance(matrix, np.ndarray):
        _encode(file.create_dataset(inner, data=matrix, **options), "array", "0.2.0")
        return
    group = file.create_group(inner)
    _encode(group, f"{matrix.format}_matrix", "0.1.0")
    group.attrs["shape"] = matrix.shape
    for name in ("data", "indices", "indptr"):
        group.create_dataset(name, data=getattr(matrix, name), maxshape=(None,), **options)


def _write_frame(file, inner, index, names):
    group = file.create_group(inner)
    _encode(group, "dataframe", "0.2.0")
    group.attrs["_index"] = index
    group.attrs["column-order"] = np.array([], dtype=TEXT)
    _encode(group.create_dataset(index, data=names, dtype=TEXT), "string-array", "0.2.0")


@pytest.fixture
def csr(counts):
    return csr_matrix(counts)


@pytest.fixture
def write_mat():
    """A function that writes variables as MATLAB's save does with -v7.3."""
    return _write_mat


_CLASSES = {"float64": "double", "float32": "single", "bool": "logical"}


def _write_mat(path, variables, **options):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            array = np.asarray(values)
            kind = _CLASSES.get(array.dtype.name, array.dtype.name)
            stored = array.astype(np.uint8) if kind == "logical" else array
            dataset = file.create_dataset(name, data=stored.T, **options)
            dataset.attrs["MATLAB_class"] = np.bytes_(kind)
            if kind == "logical":
                dataset.attrs["MATLAB_int_decode"] = np.int32(1)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  6 09:00:00 2025"
    with path.open("r+b") as file:
        file.write(head.ljust(116) + bytes(8) + b"\x00\x02IM")
    return path
