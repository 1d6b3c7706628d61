"""Records in HDF5, and what is said of them that cannot be."""

import h5py
import numpy as np
import pytest

from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.hdf5.described import FormError, Type

KIND = np.dtype([("a", "<i2"), ("b", ">f8", (3,)), ("c", "S2")], align=True)


@pytest.mark.parametrize("options", [{}, {"chunks": (3,), "compression": "gzip"}])
def test_records_are_read_as_they_were_written(tmp_path, options):
    records = np.zeros(7, KIND)
    records["a"], records["b"], records["c"] = np.arange(7), np.eye(7, 3), b"xy"
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file.create_dataset("r", data=records, **options)
    with opening.opened(InputFile(tmp_path / "r.h5")) as file:
        part = Boxes(reading.dataset_at(file, "r"))[2:5]
    for field in KIND.names:
        np.testing.assert_array_equal(part[field], records[field][2:5])


def said(*fields):
    return {
        **dict.fromkeys(("size", "stored_size"), 8),
        **{"class": "other", "plain": False, "shown": "", "numpy": "|V8", "text": None},
        "fields": fields,
    }


@pytest.mark.parametrize(
    "fields",
    [
        [["a", "<f4", [], 5]],
        [["a", "<f4", [1 << 40], 0]],
        [["a", "<f4", [], -1]],
        [["a", "|O", [], 0]],
        [["a", "<f4", None, 0]],
        [["a", "<f4", [], 0], ["a", "<f4", [], 4]],
        [[1, "<f4", [], 0]],
        [["a", "<f4", []]],
        ["a"],
    ],
)
def test_fields_that_cannot_be_are_refused(fields):
    with pytest.raises(FormError):
        Type.of(said(*fields))


def test_fields_that_can_be_are_believed():
    kind = Type.of(said(["a", "<f4", [], 4], ["b", "<i2", [2], 0])).dtype
    assert kind.fields["a"] == (np.dtype("<f4"), 4)
    assert kind.itemsize == 8
