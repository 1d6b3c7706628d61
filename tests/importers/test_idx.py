import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.importers import idx
from gpuae.storage.files.input_file import InputFile


def content_of(values, code):
    head = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return head + values.astype(idx.TYPES[code]).tobytes()


IMAGES = np.arange(24).reshape(2, 3, 4)
CONTENT = content_of(IMAGES, 0x08)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(idx.TYPES)), st.booleans(), st.data())
def test_every_type_comes_back_native_plain_and_zipped(tmp_path_factory, code, zipped, data):
    values = data.draw(hnp.arrays(idx.TYPES[code], hnp.array_shapes(min_dims=2, max_side=4)))
    path = tmp_path_factory.mktemp("idx") / "rows-idx"
    content = content_of(values, code)
    path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    dataset = idx.load(InputFile(path))
    assert dataset.x.dtype.isnative
    assert dataset.x.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(dataset.x, values.reshape(len(values), -1))
    assert dataset.image_shape == (values.shape[1:] if values.ndim in (3, 4) else None)


def test_images_keep_their_shape_and_source(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    dataset = idx.load(InputFile(tmp_path / "a"))
    assert dataset.x.shape == (2, 12)
    assert dataset.image_shape == (3, 4)
    assert dataset.source == str(tmp_path / "a")
    assert dataset.source_path == tmp_path / "a"


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_cut_at_any_byte_is_an_input_error(tmp_path, zipped):
    content = gzip.compress(CONTENT, mtime=0) if zipped else CONTENT
    path = tmp_path / "a-idx3"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match="a-idx3"):
            idx.load(InputFile(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT + b"\0", "declares .* and holds more"),
        (CONTENT[:-1], "declares .* and holds fewer"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "declares .* and holds fewer"),
        (b"\0\0\x07\x02" + CONTENT[4:], "is not an idx file, it begins with 00 00 07 02"),
        (b"\0\1\x08\x02" + CONTENT[4:], "is not an idx file"),
        (b"\0\0\x08\x00", "is not an idx file"),
        (b"\0\0\x08\x03\0\0", "cut short within its header"),
        (content_of(np.arange(5), 0x08), "holds one value a row, labels it seems"),
        (content_of(np.zeros((0, 5)), 0x08), "is empty"),
        (b"\0\0\x08\4" + bytes(4) + b"\xff" * 12, "is empty"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\1", "declares 255 dimensions"),
        (b"\0\0\x08\3" + b"\xff" * 12, "holds fewer|memory"),
        (gzip.compress(b"not idx at all", mtime=0), "is not an idx file"),
        (gzip.compress(b"", mtime=0), "is not an idx file, it begins with nothing"),
        (gzip.compress(CONTENT, mtime=0)[:-9] + b"x" * 9, "cannot be unpacked"),
        (b"\x1f\x8b" + b"x" * 30, "cannot be unpacked"),
    ],
)
@pytest.mark.parametrize("name", ["a-idx3", "a-idx3.gz"])
def test_bad_content_is_refused_with_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        idx.load(InputFile(tmp_path / name))
    assert name in str(caught.value)


def test_a_bomb_is_not_unpacked_beyond_what_it_declares(tmp_path, monkeypatch):
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT + b"\0" * 10_000_000, mtime=0))
    sizes = []
    real = gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile, "read", lambda self, size=-1: (sizes.append(size), real(self, size))[1]
    )
    with pytest.raises(InputError, match="holds more"):
        idx.load(InputFile(tmp_path / "a.gz"))
    assert 0 <= min(sizes) <= max(sizes) == 25


@pytest.mark.parametrize(
    ("name", "rows", "mean"),
    [("train-images-idx3-ubyte.gz", 60000, 0.1307), ("t10k-images-idx3-ubyte.gz", 10000, 0.1325)],
)
def test_mnist_is_read_as_it_was_published(shared_data, name, rows, mean):
    dataset = idx.load(InputFile(shared_data / "mnist" / name))
    assert dataset.x.shape == (rows, 784)
    assert dataset.x.dtype == np.uint8
    assert dataset.x.mean() / 255 == pytest.approx(mean, abs=5e-5)
