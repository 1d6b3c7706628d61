import struct
import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, npy
from gpuae.importers.roles import LABEL_NAMES
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_types

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*sorted(row_types.STORED_TYPES), "bool", "float16"]),
    st.sampled_from("<>"),
    st.booleans(),
    st.data(),
)
def test_every_array_of_rows_survives(tmp_path_factory, name, order, fortran, data):
    dtype = np.dtype(name).newbyteorder(order)
    values = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_side=4)))
    folder = tmp_path_factory.mktemp("npy")
    np.save(folder / "a.npy", np.asfortranarray(values) if fortran else values)
    np.savez_compressed(folder / "a.npz", rows=values)
    for dataset in (
        npy.load_npy(InputFile(folder / "a.npy")),
        npy.load_npz(InputFile(folder / "a.npz")),
    ):
        assert dataset.x.dtype == row_types.stored_type(values.dtype, "x")
        assert dataset.x.flags.c_contiguous
        np.testing.assert_array_equal(dataset.x, values.reshape(len(values), -1))


def test_rows_in_order_are_mapped_and_not_read(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    x = npy.load_npy(InputFile(tmp_path / "a.npy")).x
    assert isinstance(x, np.memmap)
    assert not x.flags.writeable


def test_python_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([[1, "a"]], dtype=object))
    with pytest.raises(InputError, match="Python objects; save it as an array of numbers"):
        npy.load_npy(InputFile(tmp_path / "a.npy"))
    with pytest.raises(InputError, match="Python objects; save it as an array of numbers"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3), "has 1 dimension where"),
        (np.array(3.0), "has 0 dimensions where"),
        (np.zeros((0, 3)), "is empty"),
        (np.array([["a"]]), "holds text"),
        (np.zeros((2, 2), "c16"), "holds complex128"),
        (np.zeros((2, 2), [("a", "f4")]), "holds records"),
    ],
)
def test_an_array_without_rows_of_numbers_is_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=rf"a\.npy: {message}"):
        npy.load_npy(InputFile(tmp_path / "a.npy"))


@pytest.mark.parametrize("load", [npy.load_npy, npy.load_npz])
def test_a_file_cut_or_changed_at_any_byte_is_refused_or_read(tmp_path, load):
    path = tmp_path / f"a.{load.__name__[-3:]}"
    if load is npy.load_npy:
        np.save(path, ROWS)
    else:
        np.savez(path, x=ROWS)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"a\.np"):
            load(path)
        path.write_bytes(content[:size] + b"\xfe" + content[size + 1 :])
        with suppress(InputError):
            load(path)


def test_one_matrix_among_vectors_is_the_rows(tmp_path):
    np.savez(tmp_path / "a.npz", rows=ROWS, y=np.arange(4))
    dataset = npy.load_npz(InputFile(tmp_path / "a.npz"))
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.source == f"{tmp_path}/a.npz::rows"


@pytest.mark.parametrize("name", ["x", "X", "data"])
def test_of_several_matrices_the_one_with_a_usual_name_is_taken(tmp_path, name):
    np.savez(tmp_path / "a.npz", **{"other": np.zeros((9, 9)), name: ROWS})
    np.testing.assert_array_equal(npy.load_npz(InputFile(tmp_path / "a.npz")).x, ROWS)


def test_an_unclear_choice_lists_the_arrays_and_a_name_decides(tmp_path):
    np.savez(tmp_path / "a.npz", one=ROWS, two=np.zeros((9, 9), "u1"), v=np.zeros(3))
    with pytest.raises(InputError, match=r"FILE::NAME .* one \(4, 3\) float32, two \(9, 9\) uint8"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))
    with pytest.raises(InputError, match=r"no array 'three'; the arrays in it are one"):
        npy.load_npz(InputFile(tmp_path / "a.npz"), "three")
    assert npy.load_npz(InputFile(tmp_path / "a.npz"), "two").x.shape == (9, 9)
    with pytest.raises(InputError, match=r"a\.npz::v: has 1 dimension"):
        npy.load_npz(InputFile(tmp_path / "a.npz"), "v")


def test_an_archive_without_arrays_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "none")
    with pytest.raises(InputError, match="there are no arrays in it"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


def test_an_array_that_declares_more_than_it_holds_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    content = (tmp_path / "a.npy").read_bytes().replace(b"(4, 3)", b"(4000000000, 3)")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content.replace(b" " * 9 + b"\n", b"\n"))
    with pytest.raises(InputError, match="declares 48000000000 bytes, more than it holds"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


def content_of(header, version=1):
    """Return a .npy file with the header and a few values."""
    size = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return npy.NPY_MAGIC + bytes([version, 0]) + size + header.encode() + b"\n" + bytes(24)


def declaring(descr="'<f4'", shape="(2, 3)"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


HEADERS = {
    "negative shape": declaring(shape="(-2, 3)"),
    "no machine's number": declaring(shape=f"({2**70}, 0)"),
    "overflow of nothing": declaring(shape=f"({2**62}, 0)"),
    "overflow": declaring(shape=f"({2**62}, 4)"),
    "truth for a number": declaring(shape="(True, 3)"),
    "shape in itself": declaring(descr="('<f4', (30, 30))"),
    "half a type": declaring(descr="('<f4',)"),
    "half a field": declaring(descr="[('a',)]"),
    "endless strings": declaring(descr="'|S2147483647'"),
    "strings of no size": declaring(descr="'|S0'", shape=f"({10**10},)"),
    "objects": declaring(descr="'|O'"),
    "keys of several kinds": "{1: 2, 'descr': '<f4'}",
    "unhashable key": "{[]: 2}",
    "nested signs": "-" * 9000 + "1",
    "nested brackets": "(" * 5000,
    "call": "__import__('os').system('true')",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies_is_refused(tmp_path, header):
    (tmp_path / "a.npy").write_bytes(content_of(header))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content_of(header))
    with pytest.raises(InputError, match=r"a\.npy: "):
        npy.load_npy(InputFile(tmp_path / "a.npy"))
    with pytest.raises(InputError, match=r"a\.npy: "):
        LabelsFile(tmp_path / "a.npy").load(3)
    with pytest.raises(InputError, match=r"a\.npz"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


def test_a_header_without_end_is_not_unpacked(tmp_path):
    header = npy.NPY_MAGIC + b"\2\0" + struct.pack("<I", 2**32 - 1)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header + b" " * 50_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.npz"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_inflates_too_far_is_refused(tmp_path, monkeypatch, method):
    small = replace(limits.CAREFUL, free_bytes=1000, inflation=500)
    monkeypatch.setattr(limits, "_stack", [small])
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        content = content_of(declaring("'|u1'", f"({1 << 20}, 1)"))
        archive.writestr("x.npy", content + bytes((1 << 20) - 24))
    with pytest.raises(InputError, match=r"over 500 times less; give --trust-size"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))
    with limits.trust_size():
        assert npy.load_npz(InputFile(tmp_path / "a.npz")).x.shape == (1 << 20, 1)


def test_an_array_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.asfortranarray(ROWS))
    np.savez(tmp_path / "a.npz", x=ROWS)
    monkeypatch.setattr("gpuae.storage.files.limits.physical_memory", lambda: 40)
    with pytest.raises(InputError, match="more than this machine's memory; save it in C order"):
        npy.load_npy(InputFile(tmp_path / "a.npy"))
    with pytest.raises(InputError, match=r"memory; save it with np\.save"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content_of(declaring()))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", content_of(declaring()))
    with pytest.raises(InputError, match="two arrays are called x"):
        npy.load_npz(InputFile(tmp_path / "a.npz"))


def test_files_of_python_2_are_read_without_a_word(tmp_path, recwarn):
    content = content_of(declaring(shape="(2L, 3L)"))
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert npy.load_npy(InputFile(tmp_path / "a.npy")).x.shape == (2, 3)
    assert npy.load_npz(InputFile(tmp_path / "a.npz")).x.shape == (2, 3)
    assert not recwarn.list


@pytest.mark.parametrize("name", [*LABEL_NAMES, "Label", "TARGET"])
@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2)])
def test_a_vector_with_a_name_of_labels_becomes_the_labels(tmp_path, name, shape):
    labels = np.array([4, 5]).reshape(shape)
    np.savez(tmp_path / "a.npz", spectra=np.ones((2, 3)), **{name: labels})
    dataset = npy.load_npz(InputFile(tmp_path / "a.npz"))
    assert dataset.metadata.y.tolist() == [4, 5]
    assert dataset.notes == (f"the array {name!r} is taken as the labels y",)


def test_of_two_vectors_of_labels_the_one_named_y_is_taken_and_this_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((2, 3)), label=[1, 2], y=[4, 5])
    dataset = npy.load_npz(InputFile(tmp_path / "a.npz"))
    assert dataset.metadata.y.tolist() == [4, 5]
    assert dataset.notes == ("the array 'y' is taken as the labels y",)


def test_what_is_chosen_as_rows_is_not_its_own_labels(tmp_path):
    np.savez(tmp_path / "a.npz", y=np.ones((2, 1)), other=np.ones((2, 2)))
    dataset = npy.load_npz(InputFile(tmp_path / "a.npz"), "y")
    assert dataset.x.shape == (2, 1)
    assert dataset.metadata.y is None


@pytest.mark.parametrize("kind", ["complex128", "M8[s]", "i4,i4", "longdouble"])
def test_what_could_not_be_labels_lies_beside_the_rows(tmp_path, kind):
    np.savez(tmp_path / "a.npz", x=ROWS, y=np.zeros(len(ROWS), kind))
    dataset = npy.load_npz(InputFile(tmp_path / "a.npz"))
    assert dataset.metadata.y is None
    assert dataset.notes == ()


def test_arrays_of_objects_may_lie_beside_the_rows(tmp_path):
    names = np.array(["a", "b", None], object)
    np.savez(tmp_path / "a.npz", x=ROWS, names=names)
    np.testing.assert_array_equal(npy.load_npz(InputFile(tmp_path / "a.npz")).x, ROWS)
    np.savez(tmp_path / "b.npz", names=names)
    for file, chosen in (("a.npz", "names"), ("b.npz", None)):
        with pytest.raises(InputError, match="Python objects; save it as an array of numbers"):
            npy.load_npz(InputFile(tmp_path / file), chosen)
