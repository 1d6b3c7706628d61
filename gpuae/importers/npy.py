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
from typing import Any, Literal, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import named_arrays
from gpuae.memory import data_memory
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.limits import check_memory
from gpuae.storage.rows import casts, lost_pages, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
BFLOAT16 = b"'descr': '<V2'"
"""How ml_dtypes, and so JAX, writes the type; NumPy itself writes values of two bytes as '|V2'."""
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


def load_npy(file: InputFile, memory: int | None = None) -> Dataset:
    """Return the rows in a .npy file, read in place where their type and order allow it.

    Parameters
    ----------
    memory
        Rows of another type than is kept are in memory if they take no more bytes, and else changed
        as they are read; None for as many as suit this machine.

    Raises
    ------
    InputError
        When it cannot be read or holds no rows of numbers.
    """
    header, values = _mapped(file)
    most = data_memory(None) if memory is None else memory
    x, image_shape = casts.as_rows(values, str(file), most, bfloat16=header.is_bfloat16)
    metadata = RowMetadata(image_shape=image_shape)
    return Dataset(x, str(file), metadata=metadata, file=file, notes=header.notes)


def read_array(file: InputFile) -> NDArray[Any]:
    """Return the array in a .npy file, of any shape and of any type but objects."""
    header, values = _mapped(file)
    return casts.from_bfloat16(values) if header.is_bfloat16 else values


def _mapped(file: InputFile) -> tuple[Header, NDArray[Any]]:
    """Return an array as it is stored, and what it is like."""
    with numpy_errors(str(file)):
        header = read_header(file.stream())
        if header.nbytes > file.size:
            raise ValueError(f"it declares {header.nbytes} bytes, more than it holds")
        if math.prod(header.shape) == 0:
            return header, np.empty(header.shape, header.dtype)  # nothing to map
        mapped: NDArray[Any] = np.memmap(
            cast("Any", file.stream()), header.dtype, "r", header.size, header.shape, header.order
        )
    if not mapped.flags.c_contiguous:
        check_memory(mapped.nbytes, str(file), "save it in C order, which is read in place")
    return header, lost_pages.watch(mapped, str(file))


@dataclass(frozen=True)
class Header:
    """What an array in a file is like."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    size: int
    """Of the header itself: the values begin behind it."""
    is_bfloat16: bool = False
    """Whether the values, integers of 16 bits, are numbers of that type."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided about the type, in a sentence."""
        told = "its values of two bytes are taken as bfloat16, as ml_dtypes and JAX write them"
        return (told,) if self.is_bfloat16 else ()

    @property
    def nbytes(self) -> int:
        """Of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: Any) -> Header:
    """Read what an array is like without reading its values."""
    start = file.read(HEADER_BYTES)
    head = io.BytesIO(start)
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
    order: Literal["C", "F"] = "F" if by_columns else "C"
    if dtype == "V2" and BFLOAT16 in start[: head.tell()]:
        return Header(shape, np.dtype("<u2"), order, head.tell(), is_bfloat16=True)
    return Header(shape, dtype, order, head.tell())


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
    chosen = named_arrays.chosen(file.path, headers, name)
    source = f"{file}::{chosen}"
    with numpy_errors(source), zipfile.ZipFile(file.stream()) as archive:
        values = read_member(archive, f"{chosen}.npy", headers[chosen], source)
        label = named_arrays.label_name(headers, chosen, len(values) if values.ndim else 0)
        y = read_member(archive, f"{label}.npy", headers[label], source) if label else None
    x, image_shape = row_types.as_rows(values, source)
    metadata = RowMetadata(y=None if y is None else y.reshape(-1), image_shape=image_shape)
    notes = (f"the array {label!r} is taken as the labels y",) if label else ()
    notes = (*headers[chosen].notes, *notes)
    return Dataset(x, source, metadata=metadata, file=file, notes=notes)


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
    return casts.from_bfloat16(loaded.view("<u2")) if header.is_bfloat16 else loaded
