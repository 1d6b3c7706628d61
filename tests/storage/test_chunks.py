import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening
from gpuae.storage.hdf5.boxes import read_box
from gpuae.storage.hdf5.chunk_filters import fletcher32
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.rows import row_types

TYPES = [*sorted(row_types.STORED_TYPES), ">f4", ">i2", "bool", "float16"]
GZIP = {"compression": "gzip"}


@st.composite
def boxes(draw):
    """Return values, the shape of chunks, and a box of them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=9))
    values = draw(hnp.arrays(draw(st.sampled_from(TYPES)), shape))
    chunk = tuple(draw(st.integers(1, size)) for size in shape)
    starts = [draw(st.integers(0, size)) for size in shape]
    box = tuple(
        slice(start, draw(st.integers(start, size)))
        for start, size in zip(starts, shape, strict=True)
    )
    return values, chunk, box


@settings(max_examples=150, deadline=None)
@given(
    boxes(),
    st.sampled_from([None, "gzip", "lzf"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 512]),
)
def test_any_box_of_any_chunked_dataset(tmp_path_factory, given_, packed, shuffle, checked, user):
    values, chunk, box = given_
    path = tmp_path_factory.mktemp("chunks") / "a.h5"
    options = {"compression": packed, "shuffle": shuffle, "fletcher32": checked}
    with h5py.File(path, "w", userblock_size=user) as file:
        file.create_dataset("x", data=values, chunks=chunk, **options)
    with opening.opened(InputFile(path)) as file:
        np.testing.assert_array_equal(read_box(file.find("x")), values)
        np.testing.assert_array_equal(read_box(file.find("x"), box), values[box])


def test_chunks_that_were_never_written_are_zeros(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (4, 6), "f4", chunks=(2, 3), **GZIP)[:2, :3] = 1
    x = open_dataset(InputFile(tmp_path / "a.h5"), "x").x
    assert (x[:2, :3] == 1).all()
    assert (x[2:] == 0).all()


@pytest.mark.parametrize("packed", [{}, GZIP, {"compression": "lzf"}])
def test_a_value_of_its_own_for_what_was_never_written_is_not_looked_up(tmp_path, packed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, rows in (("holes", 2), ("whole", 4)):
            own = file.create_dataset(name, (4, 6), "f4", chunks=(2, 3), fillvalue=7, **packed)
            own[:rows] = 1
    assert (open_dataset(InputFile(tmp_path / "a.h5"), "whole").x[:] == 1).all()
    with pytest.raises(InputError, match="never written, and a value of its own"):
        open_dataset(InputFile(tmp_path / "a.h5"), "holes")


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 4_000_001])
def test_the_checksum_is_that_of_hdf5(tmp_path, size):
    values = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    for content in (values, np.zeros_like(values), np.full_like(values, 255)):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("x", data=content, chunks=(size,), fletcher32=True)
            _, stored = file["x"].id.read_direct_chunk((0,))
        assert fletcher32(content.tobytes()) == int.from_bytes(stored[-4:], "little")


HOSTILE = [
    ("unpacks to more", GZIP, zlib.compress(bytes(50_000_000)), 0),
    ("unpacks to one byte more", GZIP, zlib.compress(bytes(4097)), 0),
    ("unpacks to less", GZIP, zlib.compress(bytes(100)), 0),
    ("was not packed, and is short", GZIP, bytes(100), 1),
    ("is no deflate", GZIP, b"x" * 100, 0),
    ("is cut short", GZIP, zlib.compress(np.random.default_rng(0).bytes(4096))[:-900], 0),
    ("shuffled and short", {**GZIP, "shuffle": True}, zlib.compress(bytes(7)), 0),
    ("has no room for its checksum", {"fletcher32": True}, b"xx", 0),
    ("has a wrong checksum", {"fletcher32": True}, bytes(4096) + b"xxxx", 0),
    ("lacks its checksum", {"fletcher32": True}, bytes(100), 1),
    ("stores far more than it declares", GZIP, bytes(100_000), 0),
    ("lzf that was not packed, and is short", {"compression": "lzf"}, bytes(100), 1),
    ("lzf that is no lzf", {"compression": "lzf"}, b"\xff" * 100, 0),
]


@pytest.mark.parametrize(("what", "options", "content", "skipped"), HOSTILE)
def test_a_chunk_that_misleads_is_refused(tmp_path, what, options, content, skipped):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (32, 32), "f4", chunks=(32, 32), **options)
        file["x"].id.write_direct_chunk((0, 0), content, skipped)
    with pytest.raises(InputError, match=r"a\.h5::/x: .* chunk|damaged"):
        open_dataset(InputFile(path), "x")
    with limits.trust_size(), pytest.raises(InputError):
        open_dataset(InputFile(path), "x")
    with pytest.raises(InputError, match=r"a\.h5::/x: "):
        open_dataset(InputFile(path), "x", memory=1).x[0:32]


def test_a_chunk_of_text_that_misleads_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "gpuae", "format_version": "1.0", "kind": "dataset"})
        file["data/x"] = np.ones((512, 2))
        file.create_dataset("data/row_id", (512,), "S8", chunks=(512,), **GZIP)
        file["data/row_id"].id.write_direct_chunk((0,), zlib.compress(b"short"))
    with pytest.raises(InputError, match=r"row_id.* unpacks to 5 bytes and declares 4096"):
        open_dataset(InputFile(path))


def test_an_empty_chunk_under_a_checksum_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.ones((4, 4)), chunks=(2, 4), fletcher32=True, **GZIP)
        place = file["x"].id.get_chunk_info(0).byte_offset
        size = file["x"].id.get_chunk_info(0).size
    content = path.read_bytes()
    key = size.to_bytes(4, "little") + bytes(4 + 3 * 8) + place.to_bytes(8, "little")
    assert content.count(key) == 1
    path.write_bytes(content.replace(key, bytes(4) + key[4:]))
    with pytest.raises(InputError, match="size is not what its filters make"):
        open_dataset(InputFile(path), "x")


def test_lzf_into_a_small_buffer_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.ones((4, 4)), chunks=(4, 4), compression="lzf")
        options = file["x"].id.get_create_plist().get_filter(0)[2]
    numbers = np.array(options, "<u4").tobytes()
    content = path.read_bytes()
    assert content.count(numbers) == 1
    path.write_bytes(content.replace(numbers, numbers[:8] + b"\1\0\0\0"))
    with pytest.raises(InputError, match="lzf in an unusual way"):
        open_dataset(InputFile(path), "x")


@pytest.mark.parametrize("order", [("gzip", "gzip"), ("gzip", "shuffle"), ("gzip", "lzf")])
def test_filters_in_an_order_that_nobody_writes_are_refused(tmp_path, order):
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4, 4))
    add = {
        "gzip": lambda: creation.set_deflate(6),
        "shuffle": creation.set_shuffle,
        "lzf": lambda: creation.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL),
    }
    for name in order:
        add[name]()
    space = h5py.h5s.create_simple((4, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, space, creation)
        h5py.Dataset(dataset)[...] = 1
    with pytest.raises(InputError, match=r"repack it with gzip"):
        open_dataset(InputFile(tmp_path / "a.h5"), "x")
