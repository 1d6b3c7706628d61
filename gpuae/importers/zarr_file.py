"""Zarr: arrays in chunks, in a folder or a zip archive, of version 2 or 3; and AnnData in it.

AnnData's layout is its "On-disk format" specification: https://anndata.readthedocs.io.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers import named_arrays
from gpuae.importers.zarr_arrays import TEXT, Declared, arrays, check
from gpuae.importers.zarr_rows import ZarrRows, ZarrVector, texts
from gpuae.importers.zarr_store import Store, ZipArchive, attributes, check_installed, joined
from gpuae.storage.files.folder_file import FolderFile
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import row_blocks, row_types
from gpuae.storage.rows.csr import CsrRows
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.lazy_rows import LazyRows
from gpuae.storage.rows.metadata import RowMetadata

UNITS = ("scale_factor", "add_offset", "_FillValue", "missing_value")
"""Attributes of xarray that say what the stored numbers mean."""


def load(file: InputFile | FolderFile, inner: str | None, memory: int) -> Dataset:
    """Open an array in a Zarr folder or archive, or the matrix X of an AnnData one.

    Parameters
    ----------
    inner
        The path of an array, or of a sparse matrix of AnnData's; None where there is one matrix
        only, or one named x, X or data.
    memory
        Rows of at most so many bytes are read at once, more of them as they are asked for.

    Raises
    ------
    InputError
        When zarr is missing, the choice is not clear, or the array is damaged, beyond the limits,
        or packed by something that may run what the file says.
    """
    check_installed(file.path)
    store = file if isinstance(file, FolderFile) else ZipArchive(file)
    return _Opened(store, file).load(inner, memory)


@dataclass(frozen=True)
class _Opened:
    """A folder or archive, and the input that it is."""

    store: Store
    file: InputFile | FolderFile

    @cached_property
    def arrays(self) -> dict[str, Declared]:
        """What its arrays declare, by their paths."""
        return arrays(self.store)

    def load(self, inner: str | None, memory: int) -> Dataset:
        """Return the rows of an array or of a sparse matrix."""
        is_anndata = attributes(self.store, "").get("encoding-type") == "anndata"
        path = self._chosen(inner.strip("/") if inner else None, is_anndata=is_anndata)
        source = self._where(path)
        rows: LazyRows
        if path in self.arrays:
            rows, notes = self._dense(path, source)
        else:
            rows, notes = self._sparse(path, source), ()
        image = row_types.image_of(self.arrays[path].shape) if path in self.arrays else None
        x = row_blocks.load_if_small(rows, memory)
        if is_anndata and path.split("/")[0] in ("X", "layers"):
            metadata = self._names(*rows.shape)
        else:
            y, told = self._labels(path, len(rows))
            metadata, notes = RowMetadata(y=y, image_shape=image), (*notes, *told)
        return Dataset(x, source, metadata, file=self.file, notes=notes)

    def _chosen(self, inner: str | None, *, is_anndata: bool) -> str:
        """Return the path of the matrix; the root is an empty text."""
        if inner is None and "" in self.arrays:
            return ""
        wanted = "X" if inner is None and is_anndata else inner
        if wanted is not None and self._form(wanted) is not None:
            return wanted
        return named_arrays.chosen(self.store.path, self.arrays, wanted)

    def _form(self, path: str) -> str | None:
        """Return which sparse form of AnnData's a group has; None for anything else."""
        form = None if path in self.arrays else attributes(self.store, path).get("encoding-type")
        return form if form in ("csr_matrix", "csc_matrix") else None

    def _dense(self, path: str, source: str) -> tuple[LazyRows, tuple[str, ...]]:
        array = self.arrays[path]
        _check_units(attributes(self.store, path), source)
        row_types.stored_type(array.dtype, source)
        stored = check(self.store, array)
        rows = ZarrRows(self._vector(path), source)
        lacking = array.chunk_count - stored
        told = f"{lacking} of {array.chunk_count} chunks are not stored; they have the fill value"
        return rows, (told,) if lacking > 0 else ()

    def _sparse(self, path: str, source: str) -> LazyRows:
        if self._form(path) != "csr_matrix":
            raise InputError(
                f"{source}: is stored by columns (CSC), and rows are needed; convert it in Python "
                "by .tocsr() and write it again"
            )
        parts = {}
        for name in ("indptr", "indices", "data"):
            own = joined(path, name)
            if own not in self.arrays:
                raise InputError(f"{source}: lacks its {name}; make it again")
            check(self.store, self.arrays[own])
            parts[name] = self._vector(own)
        return CsrRows(attributes(self.store, path).get("shape"), **parts, source=source)

    def _vector(self, path: str) -> ZarrVector:
        return ZarrVector(self.store, self.arrays[path], self._where(path))

    def _where(self, path: str) -> str:
        """Return what messages call an array or group."""
        return f"{self.store}::{path}" if path else str(self.store)

    def _names(self, rows: int, columns: int) -> RowMetadata:
        """Return the names of AnnData's rows and columns, where they are texts."""
        row_id, names = self._index("obs", rows), self._index("var", columns)
        named = None if names is None else tuple(names.tolist())
        return RowMetadata(row_id=row_id, feature_names=named)

    def _index(self, frame: str, count: int) -> NDArray[Any] | None:
        name = attributes(self.store, frame).get("_index", "_index")
        found = self.arrays.get(joined(frame, str(name)))
        if found is None or found.dtype != TEXT or found.shape != (count,):
            return None
        check(self.store, found)
        return texts(self.store, found, self._where(found.path))

    def _labels(self, path: str, rows: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
        """Return the labels beside an array, from a vector that is named as labels are."""
        folder, _, own = path.rpartition("/")
        beside: Mapping[str, Declared] = {
            name.rpartition("/")[2]: array
            for name, array in self.arrays.items()
            if name and name.rpartition("/")[0] == folder
        }
        label = named_arrays.label_name(beside, own, rows) if path else None
        if label is None:
            return None, ()
        array = beside[label]
        check(self.store, array)
        values = self._vector(array.path)[:].reshape(-1)
        y = row_types.as_stored(values, self._where(array.path))
        return y, (f"the array {array.path!r} is taken as the labels y",)


def _check_units(own: Mapping[str, Any], source: str) -> None:
    """Refuse numbers that stand for others."""
    for name in UNITS:
        value = own.get(name)
        if value is not None and not _is_nan(value):
            raise InputError(
                f"{source}: has {name} {value!r}, which says that its numbers stand for others; "
                "open it with xarray and save what it shows as netCDF or npy"
            )


def _is_nan(value: object) -> bool:
    """Whether a fill value is NaN, as JSON has it or in base64 as xarray writes it."""
    if isinstance(value, float):
        return math.isnan(value)
    return value in ("NaN", "AAAAAAAA+H8=", "AADAfw==")
