import io
import zipfile

import numpy as np
import pytest
from scipy import sparse

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.storage.rows.lazy_rows import LazyRows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counts.npz"


@pytest.mark.parametrize("memory", [None, 8])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
def test_what_scipy_saved_comes_out_dense(path, counts, kind, compressed, memory):
    sparse.save_npz(path, kind(counts), compressed=compressed)
    dataset = open_data(str(path), memory=memory)
    assert isinstance(dataset.x, LazyRows) == (memory is not None)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.x[0:7], counts)
    np.testing.assert_array_equal(dataset.x[4:6], counts[4:6])
    assert dataset.source_path == path


@pytest.mark.parametrize("compressed", [True, False])
def test_a_matrix_without_entries_is_zero(path, compressed):
    sparse.save_npz(path, sparse.csr_matrix((3, 4)), compressed=compressed)
    np.testing.assert_array_equal(open_data(str(path), memory=1).x[0:3], np.zeros((3, 4)))


@pytest.mark.parametrize("form", ["csc", "coo", "bsr", "dia"])
def test_other_forms_are_answered_with_how_to_convert(path, csr, form):
    sparse.save_npz(path, csr.asformat(form))
    refused(path, rf"of the form '{form}' where 'csr'.*save_npz\(FILE, matrix\.tocsr\(\)\)")


def test_the_parts_cannot_be_chosen_from(path, csr):
    sparse.save_npz(path, csr)
    refused(f"{path}::data", "has nothing to choose from by ::data")


def test_labels_are_not_in_it(path, csr, counts, tmp_path):
    sparse.save_npz(path, csr)
    np.save(tmp_path / "rows.npy", counts)
    with pytest.raises(InputError, match="labels are not read from sparse npz"):
        open_data(str(tmp_path / "rows.npy"), LabelsFile(path))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": np.array([7, 1 << 50])}, "one dense row may take 256 MiB"),
        ({"shape": np.array([1 << 50, 5])}, "has indptr of shape"),
        ({"shape": np.array([7.0, 5.0])}, "where two positive integers"),
        ({"shape": np.array(7)}, "where two positive integers"),
        ({"indptr": np.zeros(8, np.int32)}, "does not ascend"),
        ({"indices": np.full(14, 5)}, "index outside its 5 columns"),
        ({"indptr": None}, "of the form 'csr' where 'csr' with its parts"),
        ({"format": np.array([["csr", "csr"]])}, "of the form 'csrcsr'"),
        ({"data": np.array([{}] * 14)}, "Python objects"),
    ],
)
def test_parts_that_do_not_fit_are_refused(path, csr, compressed, changed, message):
    parts = {name: getattr(csr, name) for name in ("indptr", "indices", "data", "shape")}
    parts = {**parts, "format": np.array(b"csr"), **changed}
    parts = {name: value for name, value in parts.items() if value is not None}
    (np.savez_compressed if compressed else np.savez)(path, **parts)
    refused(path, message)


def test_an_array_that_declares_more_than_the_archive_holds_is_refused(path, csr):
    sparse.save_npz(path, csr, compressed=False)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    )
    members["data.npy"] = head.getvalue()
    members["indices.npy"] = head.getvalue().replace(b"<f4", b"<i4")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, r"::indices: declares \d+ bytes, more than it holds")


@pytest.mark.parametrize("compressed", [True, False])
def test_what_does_not_fit_into_memory_is_refused_before_any_of_it_is_read(
    path, csr, compressed, monkeypatch
):
    sparse.save_npz(path, csr, compressed=compressed)
    parts = csr.indptr.nbytes + csr.indices.nbytes + csr.data.nbytes
    monkeypatch.setattr("gpuae.storage.files.limits.physical_memory", lambda: parts - 1)
    refused(path, r"memory; write it as h5ad, which is read block by block")


def test_a_file_that_becomes_shorter_afterwards_does_not_matter(path, csr, counts):
    sparse.save_npz(path, csr, compressed=False)
    rows = open_data(str(path), memory=8).x
    path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(rows[0:7], counts)


def refused(spec, message):
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(spec))
    assert "\n" not in str(caught.value)
