"""The idx format of MNIST, plain or gzipped.

Two zero bytes, one for the type, one for the number of dimensions, each dimension as a big-endian
32-bit integer, then the values, big-endian, in C order (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.limits import check_memory
from gpuae.storage.rows import row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
MAX_INFLATION = 1032
"""Deflate cannot shrink anything further."""
MAX_DIMENSIONS = 32
"""NumPy has 64, and nobody has rows of more than a few."""


def is_idx(head: bytes) -> bool:
    """Whether a file that begins with `head` is an idx file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and head[3] > 0


def load(file: InputFile) -> Dataset:
    """Return the rows of an idx file; rows of several dimensions are flattened.

    Raises
    ------
    InputError
        When the file is not idx, damaged, cut short, or holds labels rather than rows.
    """
    values = read_array(file)
    if values.ndim == 1:
        raise InputError(
            f"{file}: holds one value a row, labels it seems; give the file of rows, "
            "and this one as labels"
        )
    x, image_shape = row_types.as_rows(values, str(file))
    return Dataset(x, str(file), metadata=RowMetadata(image_shape=image_shape), file=file)


def read_array(file: InputFile) -> NDArray[Any]:
    """Return the array in an idx file, of any number of dimensions, in native byte order."""
    try:
        if not file.head.startswith(GZIP_MAGIC):
            return _parse(file.path, file.stream(), file.size)
        with gzip.open(file.stream()) as unpacked:
            return _parse(file.path, cast("IO[bytes]", unpacked), file.size * MAX_INFLATION)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{file}: cannot be unpacked, it is damaged or cut short ({error}); copy it again"
        ) from None


def _parse(path: Path, file: IO[bytes], most: int) -> NDArray[Any]:
    """Read the array from `file`, which holds at most `most` bytes."""
    dtype, shape = _read_header(path, file)
    declared = math.prod(shape) * dtype.itemsize
    check_memory(min(declared, most), str(path), "convert it in parts")
    content = file.read(declared + 1) if declared <= most else b""
    if len(content) != declared:
        found = "more" if len(content) > declared else "fewer"
        raise InputError(
            f"{path}: declares {shape} values, {declared} bytes, and holds {found}; copy it again"
        )
    if not declared:
        raise InputError(f"{path}: is empty, its shape is {shape}; give at least one row")
    values = np.frombuffer(content, dtype).reshape(shape)
    return row_types.as_stored(values, str(path))


def _read_header(path: Path, file: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    head = file.read(4)
    if not is_idx(head):
        raise InputError(
            f"{path}: is not an idx file, it begins with {head.hex(' ') or 'nothing'} where "
            "00 00, a type (08 to 0e) and the number of dimensions are needed"
        )
    if head[3] > MAX_DIMENSIONS:
        raise InputError(f"{path}: declares {head[3]} dimensions; it is damaged, copy it again")
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise InputError(f"{path}: is cut short within its header; copy it again")
    return np.dtype(TYPES[head[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())
