"""LZF against h5py's own, and on bytes that nobody packed."""

from contextlib import suppress

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuae.errors import InputError
from gpuae.storage.hdf5 import guard, lzf, reading


def packed(content, folder):
    with h5py.File(folder / "a.h5", "w") as file:
        values = np.frombuffer(content, np.uint8)
        dataset = file.create_dataset("x", data=values, chunks=values.shape, compression="lzf")
        skipped, stored = dataset.id.read_direct_chunk((0,))
    return None if skipped else stored


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1), st.integers(1, 400))
def test_what_h5py_packs_is_unpacked(tmp_path_factory, pieces, times):
    content = b"".join(piece * times for piece in pieces)
    stored = packed(content, tmp_path_factory.mktemp("lzf"))
    if stored is not None:
        assert lzf.unpacked(stored, len(content)) == content
        with pytest.raises(ValueError, match="more than"):
            lzf.unpacked(stored, len(content) - 1)


@given(st.binary(max_size=40))
def test_any_bytes_are_unpacked_or_refused(content):
    with suppress(ValueError):
        assert len(lzf.unpacked(content, 100)) <= 100


@pytest.mark.parametrize(
    "content", [b"\x05ab", b"\x20\x00", b"\x00a\xe0", b"\x00a\x20", b"\x00a\x21\x07"]
)
def test_damaged_bytes_are_refused(content):
    with pytest.raises(ValueError, match="a chunk"):
        lzf.unpacked(content, 1000)


def test_strings_packed_by_lzf_are_checked_before_hdf5_reads_them(tmp_path):
    path = tmp_path / "names.h5"
    names = [f"gene {number}" for number in range(500)]
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        dataset = file.create_dataset("x", data=names, dtype=text, chunks=(500,), compression="lzf")
        place = dataset.id.get_chunk_info(0).byte_offset
        stored = dataset.id.read_direct_chunk((0,))[1]
    with guard.opened(path) as file:
        assert reading.optional_array(file, "x").tolist() == names
    whole = path.read_bytes()
    for changed in (b"\xff" + stored[1:], bytes(len(stored))):  # too early, and too short
        path.write_bytes(whole.replace(stored, changed))
        assert path.read_bytes()[place : place + 9] == changed[:9]
        with guard.opened(path) as file, pytest.raises(InputError, match="damaged or cut short"):
            reading.optional_array(file, "x")
