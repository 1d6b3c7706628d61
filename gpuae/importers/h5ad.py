"""AnnData's .h5ad files: a matrix of observations, dense or CSR, with the names of both sides.

The layout is AnnData's "On-disk format" specification: https://anndata.readthedocs.io.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import hdf5_labels
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, nodes, opening, reading
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.csr import CsrRows
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.words import listed

OBSERVATIONS = "obs"
"""The table of what is known about each row."""
_FRAMES = {
    "X": (OBSERVATIONS, "var"),
    "layers": (OBSERVATIONS, "var"),
    "raw": (OBSERVATIONS, "raw/var"),
    "obsm": (OBSERVATIONS, None),
}
"""Which tables name the rows and the columns of a matrix, by the first part of its path."""
_FORMATS = ("csr_matrix", "csc_matrix")


def is_h5ad(input_file: InputFile) -> bool:
    """Whether an HDF5 file has the layout of AnnData."""
    with opening.opened(input_file) as file:
        kind, own = (reading.attribute(file.root, name) for name in ("encoding-type", "format"))
        if kind is not None or own == file_format.FORMAT:
            return kind == "anndata"
        return all(file.root.has(name) for name in ("obs", "var"))  # before 0.8


def load(input_file: InputFile, inner: str | None, memory: int) -> Dataset:
    """Open a matrix of an AnnData file.

    Parameters
    ----------
    inner
        `layers/NAME`, `raw/X`, `obsm/NAME`; None for `X`.
    memory
        A matrix of at most so many dense bytes is read at once, a larger one block by block.

    Raises
    ------
    InputError
        When there is no such matrix, or its parts do not fit together.
    """
    inner = (inner or "X").strip("/")
    with opening.opened(input_file) as file:
        row_id, feature_names, notes = _names(file, inner)
        item = file.find(inner)
        source = file.where(inner)
        if isinstance(item, nodes.Dataset):
            dataset = open_dataset(input_file, inner, memory)
        else:
            rows = _csr_rows(file, inner, memory)
            dataset = Dataset(rows, source, file=input_file)
        y, of_labels = hdf5_labels.beside(file, OBSERVATIONS, len(dataset.x))
    return replace(
        dataset,
        metadata=replace(dataset.metadata, y=y, row_id=row_id, feature_names=feature_names),
        notes=(*dataset.notes, *notes, *of_labels),
    )


def _csr_rows(file: nodes.File, inner: str, memory: int) -> AnyRows:
    """Return the sparse matrix at `inner`."""
    source = file.where(inner)
    group = file.find(inner)
    form = _sparse_format(group)
    if not isinstance(group, nodes.Group) or form is None:
        what = "is not in the file" if group is None else "is no matrix"
        raise InputError(f"{source}: {what}; {_listed(file)}")
    if form != "csr_matrix":
        raise InputError(
            f"{source}: is stored by columns (CSC), and rows are needed; convert it in Python by "
            ".tocsr() and write the file again"
        )
    parts = {name: _vector(file, f"{inner}/{name}") for name in ("indptr", "indices", "data")}
    shape = _attribute(group, "shape", "h5sparse_shape")
    rows = CsrRows(shape, **parts, source=source)
    return row_blocks.load_if_small(rows, memory)


def _vector(file: nodes.File, inner: str) -> Boxes:
    return Boxes(reading.dataset_at(file, inner))


def _sparse_format(item: nodes.Item | None) -> str | None:
    """Return `csr_matrix` or `csc_matrix`; None for anything else."""
    if not isinstance(item, nodes.Group):
        return None
    form = _attribute(item, "encoding-type", "h5sparse_format")
    form = f"{form}_matrix" if form in ("csr", "csc") else form
    return form if form in _FORMATS else None


def _attribute(group: nodes.Group, name: str, older: str) -> Any:
    """Return an attribute, or the one that took its place before AnnData 0.7."""
    value = reading.attribute(group, name)
    return reading.attribute(group, older) if value is None else value


def _names(
    file: nodes.File, inner: str
) -> tuple[NDArray[Any] | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names of a matrix's rows and of its columns, and notes on what is not read."""
    frames = _FRAMES.get(inner.split("/", maxsplit=1)[0], (None, None))
    found = [None if frame is None else _index(file, frame) for frame in frames]
    notes = tuple(
        f"{file.where(frame)} has no index that can be read, so its names are left out"
        for frame, names in zip(frames, found, strict=True)
        if frame is not None and names is None
    )
    rows, columns = found
    return rows, None if columns is None else tuple(map(str, columns.tolist())), notes


def _index(file: nodes.File, frame: str) -> NDArray[Any] | None:
    """Return the index of a data frame; the attribute `_index` says under which name it is."""
    group = file.find(frame)
    if not isinstance(group, nodes.Group):
        return None
    name = reading.attribute(group, "_index")
    path = f"{frame}/{name if isinstance(name, str) else '_index'}"
    if isinstance(file.find(path), nodes.Group):
        path = f"{path}/values"  # strings that could be missing, though in an index none is
    return reading.optional_array(file, path)


def _listed(file: nodes.File) -> str:
    """Return half a sentence with the matrices that can be chosen."""
    found = [file.where(inner) for inner in _matrices(file)]
    if not found:
        return "there is no matrix in it"
    return f"the matrices in the file are {listed(found, 20, more='and more')}"


def _matrices(file: nodes.File) -> Iterator[str]:
    candidates = ["X", "raw/X"]
    for folder in ("layers", "obsm"):
        group = file.find(folder)
        if isinstance(group, nodes.Group):
            names = guard.names_in(group)
            candidates += [f"{folder}/{name}" for name in names]
    for inner in candidates:
        item = file.find(inner)
        if isinstance(item, nodes.Dataset) or _sparse_format(item) is not None:
            yield inner
