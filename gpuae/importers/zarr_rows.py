"""Zarr arrays that the package zarr unpacks, some rows at a time."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.zarr_arrays import Declared
from gpuae.importers.zarr_store import Store
from gpuae.storage.files import limits
from gpuae.storage.files.folder_file import FolderFile
from gpuae.storage.rows import row_blocks, row_types

_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError, AttributeError),
    *(ArithmeticError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error),
)
"""What zarr and its codecs raise on damaged files."""


@contextmanager
def zarr_errors(source: str) -> Iterator[None]:
    """Turn what zarr raises on bad files into an InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{source}: cannot be read as Zarr ({reason}); copy it again") from None


class ZarrVector:
    """A Zarr array of any shape, of which stretches of the first axis are read."""

    def __init__(self, store: Store, array: Declared, source: str) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self.chunks = array.chunks
        self._source = source
        with zarr_errors(source):
            self._array = _opened(store, array)

    def __getitem__(self, stretch: slice) -> NDArray[Any]:
        with zarr_errors(self._source):
            values: NDArray[Any] = np.asarray(self._array[stretch])
        return values


class ZarrRows:
    """A `LazyRows` of a Zarr array; rows of more dimensions are flattened.

    Raises
    ------
    InputError
        For values that are no numbers, and while rows are read for chunks that are damaged.
    """

    def __init__(self, values: ZarrVector, source: str) -> None:
        row_types.check_row_shape(values.shape, source)
        self.dtype = row_types.stored_type(values.dtype, source)
        columns = int(np.prod(values.shape[1:]))
        self.shape: tuple[int, int] = (values.shape[0], columns)
        self.rows_per_chunk = row_blocks.at_most_a_block(values.chunks[0], self.shape, self.dtype)
        self._values, self._source = values, source

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read some rows, and unpack the chunks that they are in."""
        block = self._values[rows]
        return row_types.as_stored(block.reshape(len(block), -1), self._source)


def texts(store: Store, array: Declared, source: str) -> NDArray[Any]:
    """Return an array of texts (n,).

    Raises
    ------
    InputError
        When they take more memory than the limits allow.
    """
    found = [str(own) for own in ZarrVector(store, array, source)[:].tolist()]
    limits.check_text(max(map(len, found), default=1), len(found), source)
    return np.array(found)


def _opened(store: Store, array: Declared) -> Any:
    """Open an array by the package, for reading and from the disk only."""
    import zarr
    from zarr.storage import LocalStore, ZipStore

    is_folder = isinstance(store, FolderFile)
    own = LocalStore(store.path, read_only=True) if is_folder else ZipStore(store.path, mode="r")
    opened = zarr.open_array(own, path=array.path, mode="r", zarr_format=array.version)
    if opened.shape != array.shape:
        raise ValueError(f"its shape is {opened.shape}")
    return opened
