"""Sparse matrices that SciPy saved (scipy.sparse.save_npz), in the compressed row form."""

from __future__ import annotations

import zipfile

from gpuae.errors import InputError
from gpuae.importers import npy
from gpuae.importers.npy import Header
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.csr import CsrRows
from gpuae.storage.rows.dataset import Dataset

PARTS = ("indptr", "indices", "data")


def is_sparse(file: InputFile) -> bool:
    """Whether an .npz archive holds one of SciPy's sparse matrices."""
    with npy.numpy_errors(str(file)), zipfile.ZipFile(file.stream()) as archive:
        return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())


def load(file: InputFile, memory: int) -> Dataset:
    """Return the rows of a CSR matrix.

    Parameters
    ----------
    memory
        A matrix of at most so many dense bytes is made dense at once, a larger one block by block
        from its sparse form, which is held in memory.

    Raises
    ------
    InputError
        For another form than CSR, when the parts do not fit together, and when they do not fit
        into memory.
    """
    source = str(file)
    with npy.numpy_errors(source), zipfile.ZipFile(file.stream()) as archive:
        headers = npy.read_headers(archive)
        _check_form(archive, headers, source)
        shape = npy.read_member(archive, "shape.npy", headers["shape"], source).tolist()
        held = sum(archive.getinfo(f"{name}.npy").file_size for name in PARTS)
        limits.check_memory(held, source, "write it as h5ad, which is read block by block")
        parts = {
            name: npy.read_member(archive, f"{name}.npy", headers[name], f"{source}::{name}")
            for name in PARTS
        }
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
