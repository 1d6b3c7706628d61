"""NumPy's own files: .npy, mapped where that is possible, and .npz."""

from __future__ import annotations

import io
import lzma
import math
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.roles import is_label_name, named_as_labels
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.limits import check_memory
from gpuae.storage.rows import lost_pages, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.words import listed

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
PREFERRED_NAMES = ("x", "X", "data")
HEADER_BYTES = 1 << 16
"""Of an array: larger than any header of numbers, and NumPy would read gigabytes of one."""


@contextmanager
def numpy_errors(source: str) -> Iterator[None]:
    """Turn what NumPy and zipfile raise on bad files into an InputError."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*created on Python 2")  # no harm in that
            yield
    except (
        OSError,
        EOFError,
        ValueError,
        SyntaxError,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,  # an encrypted archive
        LookupError,  # the rest: headers that are Python literals of a wrong kind
        TypeError,
        AttributeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "copy it or save it again"
        if "object" in reason.lower():
            advice = "it holds Python objects; save it as an array of numbers"
        raise InputError(f"{source}: cannot be read ({reason}); {advice}") from None


def load_npy(file: InputFile) -> Dataset:
    """Return the rows in a .npy file, read in place where their type and order allow it.

    Raises
    ------
    InputError
        When it cannot be read or holds no rows of numbers.
    """
    x, image_shape = row_types.as_rows(read_array(file), str(file))
    return Dataset(x, str(file), metadata=RowMetadata(image_shape=image_shape), file=file)


def read_array(file: InputFile) -> NDArray[Any]:
    """Return the array in a .npy file, of any shape and of any type but objects."""
    with numpy_errors(str(file)):
        header = read_header(file.stream())
        if header.nbytes > file.size:
            raise ValueError(f"it declares {header.nbytes} bytes, more than it holds")
        if math.prod(header.shape) == 0:
            return np.empty(header.shape, header.dtype)  # nothing to map
        mapped: NDArray[Any] = np.memmap(
            cast("Any", file.stream()), header.dtype, "r", header.size, header.shape, header.order
        )
    if not mapped.flags.c_contiguous:
        check_memory(mapped.nbytes, str(file), "save it in C order, which is read in place")
    return lost_pages.watch(mapped, str(file))


@dataclass(frozen=True)
class Header:
    """What an array in a file is like."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    size: int
    """Of the header itself: the values begin behind it."""

    @property
    def nbytes(self) -> int:
        """Of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: Any) -> Header:
    """Read what an array is like without reading its values."""
    head = io.BytesIO(file.read(HEADER_BYTES))
    version = npy_format.read_magic(head)
    if version == (1, 0):
        shape, by_columns, dtype = npy_format.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, by_columns, dtype = npy_format.read_array_header_2_0(head)
    else:
        raise ValueError(f"version {version} of the format, which is for records")
    if dtype.hasobject:
        raise ValueError("its values are Python objects")
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape is {shape}")
    if not dtype.itemsize:
        raise ValueError("its values have no size")
    return Header(shape, dtype, "F" if by_columns else "C", head.tell())


def load_npz(file: InputFile, name: str | None = None) -> Dataset:
    """Return the rows in a .npz archive.

    Parameters
    ----------
    name
        Which array; None where there is one matrix only, or one named x, X or data.

    Raises
    ------
    InputError
        When the choice is not clear; the message lists the arrays.
    """
    with numpy_errors(str(file)), zipfile.ZipFile(file.stream()) as archive:
        headers = _headers_of_numbers(archive, name)
    chosen = _choose(file.path, headers, name)
    source = f"{file}::{chosen}"
    with numpy_errors(source), zipfile.ZipFile(file.stream()) as archive:
        values = read_member(archive, f"{chosen}.npy", headers[chosen], source)
        label = _label_name(headers, chosen, len(values) if values.ndim else 0)
        y = read_member(archive, f"{label}.npy", headers[label], source) if label else None
    x, image_shape = row_types.as_rows(values, source)
    metadata = RowMetadata(y=None if y is None else y.reshape(-1), image_shape=image_shape)
    notes = (f"the array {label!r} is taken as the labels y",) if label else ()
    return Dataset(x, source, metadata=metadata, file=file, notes=notes)


def _label_name(headers: dict[str, Header], chosen: str, rows: int) -> str | None:
    """Return the name of an array that looks like one label a row."""
    others = [name for name, own in headers.items() if name != chosen and _are_labels(own, rows)]
    return next(iter(named_as_labels(others)), None)


def _are_labels(header: Header, rows: int) -> bool:
    """Whether an array holds a number, or a text, for each row."""
    if header.dtype.kind not in "US" and not row_types.is_stored(header.dtype):
        return False
    return _is_vector(header.shape, rows)


def _is_vector(shape: tuple[int, ...], size: int) -> bool:
    """Whether an array of that shape holds `size` values in a row or a column."""
    return len(shape) in (1, 2) and max(shape) == math.prod(shape) == size


def read_headers(archive: zipfile.ZipFile) -> dict[str, Header]:
    """Return what the arrays of an archive are like, by their names."""
    return {name: _header(archive, name) for name in _names(archive)}


def _headers_of_numbers(archive: zipfile.ZipFile, chosen: str | None) -> dict[str, Header]:
    """Return what the arrays are like that can be read; others may lie beside them.

    Raises
    ------
    ValueError
        When the one that is chosen, or none at all, can be read.
    """
    headers, problems = {}, {}
    for name in _names(archive):
        try:
            headers[name] = _header(archive, name)
        except ValueError as error:
            problems[name] = error
    wanted = (chosen or "").strip("/")
    if problems and (wanted in problems or not headers):
        raise problems.get(wanted) or next(iter(problems.values()))
    return headers


def _names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the arrays, each of which there is once."""
    members = [member for member in archive.namelist() if member.endswith(".npy")]
    name, count = Counter(members).most_common(1)[0] if members else ("", 0)
    if count > 1:
        raise ValueError(f"two arrays are called {name.removesuffix('.npy')}")
    return [member.removesuffix(".npy") for member in members]


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(f"{name}.npy") as file:
        return read_header(file)


def _choose(path: Path, headers: dict[str, Header], name: str | None) -> str:
    if name is not None:
        if name.strip("/") in headers:
            return name.strip("/")
        raise InputError(f"{path}: holds no array {name!r}; {_listed(headers)}")
    matrices = [key for key, header in headers.items() if _is_matrix(key, header)]
    preferred = [key for key in PREFERRED_NAMES if key in matrices]
    if len(matrices) == 1 or len(preferred) == 1:
        return (preferred or matrices)[0]
    raise InputError(f"{path}: give FILE::NAME to say which array; {_listed(headers)}")


def _is_matrix(name: str, header: Header) -> bool:
    """Whether an array may be rows: one of a single column named as labels are holds labels."""
    shape = header.shape
    labels = is_label_name(name) and _is_vector(shape, math.prod(shape))
    return len(shape) >= 2 and not labels


def _listed(headers: dict[str, Header]) -> str:
    if not headers:
        return "there are no arrays in it"
    items = [f"{name} {header.shape} {header.dtype}" for name, header in headers.items()]
    return f"the arrays in it are {listed(items, 20, more='and more')}"


def read_member(archive: zipfile.ZipFile, member: str, header: Header, source: str) -> NDArray[Any]:
    """Read one array, after checking that its size is one that the archive can hold."""
    info = archive.getinfo(member)
    declared = header.nbytes
    if declared > info.file_size:
        raise InputError(f"{source}: declares {declared} bytes, more than it holds; save it again")
    allowed = limits.current()
    if declared > allowed.free_bytes and declared > allowed.inflation * info.compress_size:
        raise InputError(
            f"{source}: declares {declared} bytes and stores {info.compress_size}, over "
            f"{allowed.inflation} times less; {limits.ADVICE}"
        )
    check_memory(declared, source, "save it with np.save as npy, which is read in place")
    with archive.open(member) as file:
        loaded: NDArray[Any] = npy_format.read_array(file, allow_pickle=False)
    return loaded
