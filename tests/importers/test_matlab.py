from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.importers.roles import LABEL_NAMES
from gpuae.storage.rows.lazy_rows import LazyRows

X = np.arange(35.0).reshape(7, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spectra.mat"


@pytest.mark.parametrize("memory", [None, 8])
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3)}, {"compression": "gzip"}])
def test_rows_of_matlab_are_rows(path, write_mat, memory, options):
    dataset = open_data(str(write_mat(path, {"X": X}, **options)), memory=memory)
    assert isinstance(dataset.x, LazyRows) == (memory is not None)
    assert dataset.x.dtype == np.float64
    assert dataset.image_shape is None
    np.testing.assert_array_equal(dataset.x[0:7], X)
    np.testing.assert_array_equal(dataset.x[2:4], X[2:4])
    assert dataset.source == f"{path}::/X"
    assert dataset.source_path == path


def test_it_is_known_by_its_content(path, write_mat):
    write_mat(path, {"X": X}).rename(path.with_suffix(".h5"))
    np.testing.assert_array_equal(open_data(str(path.with_suffix(".h5"))).x, X)


@pytest.mark.parametrize("name", ["float32", "uint8", "int64"])
def test_numbers_keep_their_type(path, write_mat, name):
    x = open_data(str(write_mat(path, {"X": X.astype(name)}))).x
    assert x.dtype == name
    np.testing.assert_array_equal(x, X)


def test_truth_values_are_no_pixels(path, write_mat):
    x = open_data(str(write_mat(path, {"X": X > 9}))).x
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, X > 9)


def test_three_dimensions_are_images_by_the_first(path, write_mat):
    images = np.arange(24.0).reshape(4, 3, 2)
    dataset = open_data(str(write_mat(path, {"images": images})))
    assert dataset.image_shape == (3, 2)
    np.testing.assert_array_equal(dataset.x, images.reshape(4, 6))


@pytest.mark.parametrize("shape", [(7, 1), (1, 7)])
def test_a_vector_of_the_right_name_becomes_the_labels(path, write_mat, shape):
    y = np.arange(7).reshape(shape)
    dataset = open_data(str(write_mat(path, {"X": X, "y": y})))
    assert dataset.y.tolist() == list(range(7))
    assert dataset.notes == ("'y' is taken as the labels y",)


@pytest.mark.parametrize("name", [*LABEL_NAMES, "Class"])
def test_labels_have_the_names_that_they_have_in_tables(path, write_mat, name):
    dataset = open_data(str(write_mat(path, {"X": X, name: np.arange(7).reshape(7, 1)})))
    assert dataset.metadata.y.tolist() == list(range(7))
    assert dataset.notes == (f"{name!r} is taken as the labels y",)


@pytest.mark.parametrize("shape", [(7, 1), (1, 7)])
def test_labels_come_from_a_file_of_their_own(path, write_mat, tmp_path, shape):
    np.save(tmp_path / "rows.npy", X)
    write_mat(path, {"kinds": np.arange(7).reshape(shape)})
    dataset = open_data(str(tmp_path / "rows.npy"), LabelsFile(Path(f"{path}::kinds")))
    assert dataset.y.tolist() == list(range(7))


def test_the_variable_named_as_labels_are_is_taken_from_a_file_of_labels(path, write_mat, tmp_path):
    np.save(tmp_path / "rows.npy", X)
    write_mat(path, {"other": np.ones((7, 1)), "label": np.arange(7).reshape(7, 1)})
    assert open_data(str(tmp_path / "rows.npy"), LabelsFile(path)).y.tolist() == list(range(7))


def test_a_variable_can_be_chosen(path, write_mat):
    write_mat(path, {"a": X, "b": X + 1, "s/field": X + 2})
    np.testing.assert_array_equal(open_data(f"{path}::b").x, X + 1)
    np.testing.assert_array_equal(open_data(f"{path}::s/field").x, X + 2)
    refused(path, r"give FILE::NAME to say which matrix; the matrices in it are a \(7, 5\), b")
    refused(f"{path}::c", r"::/c: is not in the file; the matrices in it are a \(7, 5\), b")


def test_x_is_preferred_and_vectors_are_no_matrices(path, write_mat):
    write_mat(path, {"X": X, "other": X + 1, "wavelength": np.ones((1, 5))})
    np.testing.assert_array_equal(open_data(str(path)).x, X)
    write_mat(path, {"spectra": X, "wavelength": np.ones((1, 5))})
    np.testing.assert_array_equal(open_data(str(path)).x, X)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("MATLAB_class", np.bytes_("char"), "is a char, not a matrix of numbers"),
        ("MATLAB_class", np.bytes_("cell"), "is a cell, not a matrix of numbers"),
        ("MATLAB_empty", np.uint8(1), "is empty"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(path, write_mat, attribute, value, message):
    write_mat(path, {"X": X})
    with h5py.File(path, "r+") as file:
        file["X"].attrs[attribute] = value
    refused(f"{path}::X", message)


def test_structs_and_sparse_matrices_are_refused(path, write_mat):
    write_mat(path, {"s/field": X, "sparse/data": np.ones((1, 3))})
    with h5py.File(path, "r+") as file:
        file["s"].attrs["MATLAB_class"] = np.bytes_("struct")
        file["sparse"].attrs["MATLAB_class"] = np.bytes_("double")
        file["sparse"].attrs["MATLAB_sparse"] = np.uint64(7)
    refused(f"{path}::s", "is a struct, not a matrix of numbers")
    refused(f"{path}::sparse", r"is a sparse matrix; save full\(sparse\) instead")


def test_complex_numbers_are_refused(path, write_mat):
    pairs = np.zeros((7, 5), [("real", "f8"), ("imag", "f8")])
    write_mat(path, {"X": pairs})
    refused(f"{path}::X", "holds records")


def test_older_files_are_answered_with_how_to_save_them(path, tmp_path):
    scipy.io.savemat(path, {"X": X})
    refused(path, r"is not of version 7\.3.*save\('FILE\.mat', 'X', '-v7\.3'\)")
    refused(f"{path}::X", r"is not of version 7\.3")
    scipy.io.savemat(path, {"X": X}, format="4")
    refused(path, r"is not of version 7\.3")
    np.save(tmp_path / "rows.npy", X)
    with pytest.raises(InputError, match=r"is not of version 7\.3"):
        open_data(str(tmp_path / "rows.npy"), LabelsFile(path))


def test_a_matrix_that_was_declared_and_never_written_is_refused(path, write_mat):
    write_mat(path, {"y": X})
    with h5py.File(path, "r+") as file:
        file.create_dataset("X", (1 << 30, 1 << 40), "f8", chunks=(64, 64))
    refused(path, "never written")


def test_a_matrix_of_another_file_is_not_read(path, write_mat, tmp_path):
    write_mat(tmp_path / "other.mat", {"X": X})
    write_mat(path, {"y": X})
    with h5py.File(path, "r+") as file:
        file["X"] = h5py.ExternalLink(str(tmp_path / "other.mat"), "/X")
        file.create_dataset("z", (7, 5), "f8", external=[(str(tmp_path / "other.mat"), 0, 280)])
    refused(f"{path}::X", "soft or external link")
    refused(f"{path}::z", "in other files")


def refused(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(spec))
    assert "\n" not in str(caught.value)
