from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from gpuae.errors import InputError
from gpuae.importers import open_data
from gpuae.storage.rows.lazy_rows import LazyRows

WRITTEN_BY_ANNDATA = Path(__file__).parent / "data" / "anndata-0.12.19.h5ad"
"""Its write_h5ad wrote it, with all names as strings that could be missing."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.h5ad"


@pytest.mark.parametrize("memory", [None, 8])
@pytest.mark.parametrize("options", [{}, {"chunks": (3,)}, {"compression": "gzip"}])
def test_sparse_rows_come_out_dense_with_both_names(path, counts, csr, write_h5ad, memory, options):
    write_h5ad(path, {"X": csr}, **options)
    dataset = open_data(str(path), memory=memory)
    assert isinstance(dataset.x, np.ndarray) == (memory is None)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.x[0:7], counts)
    assert dataset.row_id.tolist() == [f"AAC-{row}" for row in range(7)]
    assert dataset.feature_names == tuple(f"ENS{column}" for column in range(5))
    assert dataset.source == f"{path}::/X"
    assert dataset.source_path == path


def test_dense_rows_come_out_as_they_are(path, counts, write_h5ad):
    write_h5ad(path, {"X": counts})
    dataset = open_data(str(path))
    np.testing.assert_array_equal(dataset.x, counts)
    assert dataset.row_id[6] == "AAC-6"
    assert dataset.feature_names[4] == "ENS4"


def test_the_matrix_of_layers_raw_and_obsm_can_be_chosen(path, counts, csr, write_h5ad):
    raw = csr_matrix(np.hstack([counts, counts]))
    matrices = {"X": csr, "layers/counts": 2 * csr, "layers/full": counts, "raw/X": raw}
    write_h5ad(path, {**matrices, "obsm/X_pca": counts[:, :2]})
    with h5py.File(path, "r+") as file:
        group = file.create_group("raw/var")
        group.attrs["_index"] = "_index"
        group["_index"] = [f"raw{column}" for column in range(10)]

    def opened(inner):
        dataset = open_data(f"{path}::/{inner}")
        assert dataset.row_id[0] == "AAC-0"
        return dataset

    np.testing.assert_array_equal(opened("layers/counts").x, 2 * counts)
    np.testing.assert_array_equal(opened("layers/full").x, counts)
    assert opened("layers/full").feature_names[0] == "ENS0"
    np.testing.assert_array_equal(opened("raw/X").x, raw.toarray())
    assert opened("raw/X").feature_names[9] == "raw9"
    np.testing.assert_array_equal(opened("obsm/X_pca").x, counts[:, :2])
    assert opened("obsm/X_pca").feature_names is None


@pytest.mark.parametrize("inner", ["X", "layers/counts", "layers/csr", "raw/X"])
@pytest.mark.parametrize("memory", [None, 8])
def test_a_file_that_anndata_wrote_is_read(inner, memory):
    expected = np.random.default_rng(0).poisson(0.7, (6, 4))
    dataset = open_data(f"{WRITTEN_BY_ANNDATA}::/{inner}", memory=memory)
    expected = np.hstack([expected, expected]) if inner == "raw/X" else expected
    np.testing.assert_array_equal(dataset.x[0:6], expected)
    assert dataset.row_id.tolist() == [f"cell{row}" for row in range(6)]
    assert dataset.feature_names[:3] == (("g0", "g1", "g2") if inner == "raw/X" else tuple("wxy"))


def test_the_layout_before_anndata_0_8_is_known_without_marks_of_its_own(
    path, counts, csr, write_h5ad
):
    write_h5ad(path, {"X": csr}, names=("_index", "_index"))
    with h5py.File(path, "r+") as file:
        for item in (file, file["obs"], file["var"]):
            del item.attrs["encoding-type"]
        group = file["X"]
        del group.attrs["encoding-type"]
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", group.attrs["shape"]
        del group.attrs["shape"], file["var"].attrs["_index"]
    dataset = open_data(str(path))
    np.testing.assert_array_equal(dataset.x, counts)
    assert dataset.feature_names[0] == "ENS0"


def test_an_index_of_another_kind_is_left_out_and_said(path, counts, csr, write_h5ad):
    write_h5ad(path, {"X": csr})
    with h5py.File(path, "r+") as file:
        del file["obs/cell"]
        file.create_group("obs/cell")
    dataset = open_data(str(path))
    assert dataset.row_id is None
    assert dataset.notes == (
        f"{path}::/obs has no index that can be read, so its names are left out",
    )


def test_what_has_the_name_but_not_the_content_is_told_by_content(path):
    path.write_bytes(b"cells")
    refused(path, "is not an HDF5 file")


def test_no_x_is_answered_with_what_there_is(path, csr, write_h5ad):
    write_h5ad(path, {"layers/counts": csr})
    refused(path, r"::/X: is not in the file; the matrices in the file are .*::/layers/counts$")
    refused(f"{path}::/obs", r"::/obs: is no matrix; the matrices in the file are")


def test_columns_are_not_rows(path, counts, write_h5ad):
    write_h5ad(path, {"X": csc_matrix(counts)})
    refused(path, r"is stored by columns \(CSC\).*\.tocsr\(\)")


def test_names_have_to_be_as_many_as_rows(path, csr, write_h5ad):
    write_h5ad(path, {"X": csr[:6], "layers/all": csr})
    refused(f"{path}::/layers/all", "has 7 rows and row ids of shape")


def test_a_link_into_another_file_is_not_followed(path, csr, write_h5ad, tmp_path):
    write_h5ad(tmp_path / "other.h5ad", {"X": csr})
    write_h5ad(path, {"X": csr})
    with h5py.File(path, "r+") as file:
        del file["X/data"]
        file["X/data"] = h5py.ExternalLink(str(tmp_path / "other.h5ad"), "/X/data")
    refused(path, "soft or external link")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("shape", None, "has the shape None where two positive integers"),
        ("shape", [7, -5], r"has the shape \(7, -5\)"),
        ("shape", [7.0, 5.0], "where two positive integers"),
        ("shape", [7, 5, 1], "where two positive integers"),
        ("shape", [1 << 62, 5], "has indptr of shape"),
        ("shape", [7, 1 << 40], "declares 1099511627776 columns"),
        ("shape", [8, 5], r"has indptr of shape \(8,\) for 8 rows"),
        ("encoding-type", None, "is no matrix"),
        ("encoding-type", 3, "is no matrix"),
    ],
)
@pytest.mark.parametrize("memory", [None, 8])
def test_attributes_that_do_not_fit_are_refused(
    path, csr, write_h5ad, name, value, message, memory
):
    write_h5ad(path, {"X": csr})
    with h5py.File(path, "r+") as file:
        del file["X"].attrs[name]
        if value is not None:
            file["X"].attrs[name] = value
    refused(path, message, memory)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("indptr", None, "::/X/indptr: is not in the file"),
        ("data", None, "::/X/data: is not in the file"),
        ("data", ["a"], "holds text"),
        ("indices", [0.5], "has indices of shape|has indices of type"),
        ("indptr", [[0, 1]], r"has indptr of shape \(1, 2\)"),
    ],
)
def test_parts_that_are_missing_or_of_another_type_are_refused(
    path, csr, write_h5ad, name, value, message
):
    write_h5ad(path, {"X": csr})
    with h5py.File(path, "r+") as file:
        del file[f"X/{name}"]
        if value is not None:
            file[f"X/{name}"] = value
    refused(path, message)


def test_a_matrix_that_was_declared_and_never_written_is_refused(path, csr, write_h5ad):
    write_h5ad(path, {"X": csr})
    with h5py.File(path, "r+") as file:
        del file["X/indptr"]
        file["X"].attrs["shape"] = [1 << 40, 5]
        file["X"].create_dataset("indptr", ((1 << 40) + 1,), "i8", chunks=(1 << 16,))
    refused(path, "never written")


def test_what_is_larger_is_read_block_by_block_in_any_order(path, counts, csr, write_h5ad):
    write_h5ad(path, {"X": csr}, chunks=(4,))
    rows = open_data(str(path), memory=0).x
    assert isinstance(rows, LazyRows)
    for start in (5, 0, 3, 6, 7):
        np.testing.assert_array_equal(rows[start : start + 2], counts[start : start + 2])


def refused(spec, message, memory=None):
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(spec), memory=memory)
    assert "\n" not in str(caught.value)
