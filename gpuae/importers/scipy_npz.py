"""Sparse matrices that SciPy saved (scipy.sparse.save_npz), in the compressed row form."""

from __future__ import annotations

import math
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import npy
from gpuae.importers.npy import Header
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.csr import CsrRows, Vector
from gpuae.storage.rows.dataset import Dataset

_LOCAL_HEADER = struct.Struct("<26xHH")
"""The end of a member's own header: the lengths of its name and of what else stands there."""


def is_sparse(path: Path) -> bool:
    """Whether an .npz archive holds one of SciPy's sparse matrices."""
    with npy.numpy_errors(str(path)), zipfile.ZipFile(path) as archive:
        return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())


def load(path: Path, memory: int) -> Dataset:
    """Return the rows of a CSR matrix.

    Parameters
    ----------
    memory
        A matrix of at most so many dense bytes is made dense at once, a larger one block by block,
        from the file if the archive is not compressed, else from its sparse form in memory.

    Raises
    ------
    InputError
        For another form than CSR, and when the parts do not fit together.
    """
    source = str(path)
    with npy.numpy_errors(source), zipfile.ZipFile(path) as archive:
        headers = npy.read_headers(archive)
        _check_form(archive, headers, source)
        shape = npy.read_member(archive, "shape.npy", headers["shape"], source).tolist()
        names = ("indptr", "indices", "data")
        parts = {name: _vector(path, archive, name, headers[name]) for name in names}
    rows = CsrRows(shape, **parts, source=source)
    return Dataset(row_blocks.load_if_small(rows, memory), source, source_path=path)


def _check_form(archive: zipfile.ZipFile, headers: dict[str, Header], source: str) -> None:
    form = npy.read_member(archive, "format.npy", headers["format"], source)
    name = form.tobytes().replace(b"\0", b"").decode("ascii", "replace")
    if name != "csr" or not {"indptr", "indices"} <= set(headers):
        raise InputError(
            f"{source}: holds a sparse matrix of the form {name[:16]!r} where 'csr' with its parts "
            "is needed; save it by scipy.sparse.save_npz(FILE, matrix.tocsr())"
        )


def _vector(path: Path, archive: zipfile.ZipFile, name: str, header: Header) -> Vector:
    """Return an array of an archive: one that reads from the file where it is not compressed."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        return npy.read_member(archive, member.filename, header, f"{path}::{name}")
    with archive.open(member) as file, path.open("rb") as raw:
        head = file.read(12)
        raw.seek(member.header_offset)
        lengths = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + sum(lengths)
    return StoredVector(path, header, start + _header_bytes(head))


def _header_bytes(head: bytes) -> int:
    """Return where the values of an .npy begin, from its first twelve bytes: NEP 1."""
    width = 2 if head[6] == 1 else 4
    return 8 + width + int.from_bytes(head[8 : 8 + width], "little")


class StoredVector:
    """An array that lies in a file as it is; what is read of it is read anew each time.

    Raises
    ------
    InputError
        When the file ends before the array does.
    """

    def __init__(self, path: Path, header: Header, offset: int) -> None:
        self.shape, self.dtype = header.shape, header.dtype
        self._path, self._offset = path, offset
        if offset + math.prod(self.shape) * self.dtype.itemsize > path.stat().st_size:
            raise InputError(f"{path}: declares more than it holds; copy it or save it again")

    def __getitem__(self, stretch: slice) -> NDArray[Any]:
        """Read elements start … stop − 1."""
        start, stop, _ = stretch.indices(self.shape[0])
        size = self.dtype.itemsize
        with self._path.open("rb") as file:
            file.seek(self._offset + start * size, os.SEEK_SET)
            content = file.read(max(0, stop - start) * size)
        if len(content) != max(0, stop - start) * size:
            raise InputError(f"{self._path}: became shorter while it was read; copy it again")
        return np.frombuffer(content, self.dtype)
