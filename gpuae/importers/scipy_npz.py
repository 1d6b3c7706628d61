"""Sparse matrices that SciPy saved (scipy.sparse.save_npz), in the compressed row form."""

from __future__ import annotations

import math
import struct
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import npy
from gpuae.importers.npy import Header
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.csr import CsrRows, Vector
from gpuae.storage.rows.dataset import Dataset

_LOCAL_HEADER = struct.Struct("<26xHH")
"""The end of a member's own header: the lengths of its name and of what else stands there."""


def is_sparse(file: InputFile) -> bool:
    """Whether an .npz archive holds one of SciPy's sparse matrices."""
    with npy.numpy_errors(str(file)), zipfile.ZipFile(file.stream()) as archive:
        return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())


def load(file: InputFile, memory: int) -> Dataset:
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
    source = str(file)
    with npy.numpy_errors(source), zipfile.ZipFile(file.stream()) as archive:
        headers = npy.read_headers(archive)
        _check_form(archive, headers, source)
        shape = npy.read_member(archive, "shape.npy", headers["shape"], source).tolist()
        names = ("indptr", "indices", "data")
        parts = {name: _vector(file, archive, name, headers[name]) for name in names}
    rows = CsrRows(shape, **parts, source=source)
    return Dataset(row_blocks.load_if_small(rows, memory), source, file=file)


def _check_form(archive: zipfile.ZipFile, headers: dict[str, Header], source: str) -> None:
    form = npy.read_member(archive, "format.npy", headers["format"], source)
    name = form.tobytes().replace(b"\0", b"").decode("ascii", "replace")
    if name != "csr" or not {"indptr", "indices"} <= set(headers):
        raise InputError(
            f"{source}: holds a sparse matrix of the form {name[:16]!r} where 'csr' with its parts "
            "is needed; save it by scipy.sparse.save_npz(FILE, matrix.tocsr())"
        )


def _vector(file: InputFile, archive: zipfile.ZipFile, name: str, header: Header) -> Vector:
    """Return an array of an archive: one that reads from the file where it is not compressed."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        return npy.read_member(archive, member.filename, header, f"{file}::{name}")
    lengths = _LOCAL_HEADER.unpack(file.read(member.header_offset, _LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + sum(lengths)
    return StoredVector(file, header, start + header.size)


class StoredVector:
    """An array that lies in a file as it is; what is read of it is read anew each time.

    Raises
    ------
    InputError
        When the file ends before the array does.
    """

    def __init__(self, file: InputFile, header: Header, offset: int) -> None:
        self.shape, self.dtype = header.shape, header.dtype
        self._file, self._offset = file, offset
        if offset + math.prod(self.shape) * self.dtype.itemsize > file.size:
            raise InputError(f"{file}: declares more than it holds; copy it or save it again")

    def __getitem__(self, stretch: slice) -> NDArray[Any]:
        """Read elements start … stop − 1."""
        start, stop, _ = stretch.indices(self.shape[0])
        size = self.dtype.itemsize
        content = self._file.read(self._offset + start * size, max(0, stop - start) * size)
        if len(content) != max(0, stop - start) * size:
            raise InputError(f"{self._file}: became shorter while it was read; copy it again")
        return np.frombuffer(content, self.dtype)
