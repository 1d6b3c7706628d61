"""A new HDF5 file around integers that are compressed a column at a time, in chunks of rows.

Each chunk is some rows of one column, through HDF5's own filters shuffle and gzip, so any reader of
HDF5 unpacks it. It is packed here and handed over as it is: HDF5 has no say in how deflate looks
for a short form, and the one that suits random integers is not its own (docs/decisions/0011).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.storage.content_hash import file_hash
from gpuae.storage.content_hash.hash_blocks import HashBlocks
from gpuae.storage.file_format import LIBVER
from gpuae.storage.files.output_file import OutputFile
from gpuae.storage.outputs.hdf5_image import Build, image_of

LEVEL, WINDOW_BITS, MEMORY_LEVEL = 9, 15, 9
_CHUNK_EXTRA_BYTES = 512
"""What a chunk and its entry in the file's index may take beyond 101 % of its size."""
_RESERVE_BYTES = 1 << 20


def packed(column: NDArray[Any]) -> bytes:
    """Return integers (m,) as the filters shuffle and gzip would leave them.

    Each plane of bytes begins a block of deflate of its own, and so has its own Huffman code; runs
    are the only repetitions that are looked for.
    """
    planes = column.view(np.uint8).reshape(len(column), -1).T
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL, zlib.Z_RLE)
    pieces = []
    for index, plane in enumerate(planes):
        if index:
            pieces.append(deflate.flush(zlib.Z_SYNC_FLUSH))
        pieces.append(deflate.compress(plane.tobytes()))
    return b"".join([*pieces, deflate.flush()])


class ColumnsOutput:
    """A new HDF5 file whose large dataset (n, k) is filled by chunks of rows, in any order.

    A context manager. The file takes its name when the block ends with all chunks written; after an
    exception, Ctrl-C included, nothing is left behind. On entering, space is reserved for the most
    that the integers could take, since HDF5 may crash on a full disk; the rest is given back.

    Parameters
    ----------
    path
        Appears complete or not at all.
    dataset_path
        Where in the file the integers lie.
    shape, dtype
        Of the integers, rows first.
    chunk_rows
        Rows of a chunk.
    build
        Writes everything else; the dataset is there but must not be filled.
    force
        Whether an existing file is replaced.

    Attributes
    ----------
    stored
        Bytes of the chunks so far.

    Raises
    ------
    OutputError
        When it cannot be written there, or the disk is too small.
    RuntimeError
        For wrong use: chunks of a wrong shape, chunks left unwritten.
    """

    def __init__(
        self,
        path: Path,
        dataset_path: str,
        shape: tuple[int, int],
        dtype: DTypeLike,
        chunk_rows: int,
        build: Build,
        *,
        force: bool,
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.chunk_rows = min(chunk_rows, shape[0])
        self.stored = 0
        self._path, self._dataset_path, self._build = path, dataset_path, build
        self._hashes = HashBlocks(shape[0])
        self._unwritten = set(range(0, shape[0], self.chunk_rows))
        self._output = OutputFile(path, force)
        self._file: h5py.File | None = None

    def __enter__(self) -> Self:
        self._block = self._filled()
        return self._block.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self._block.__exit__(*exception)

    @contextmanager
    def _filled(self) -> Iterator[Self]:
        """Begin the file, and write the content hash once all chunks have been written."""
        image = image_of(self._skeleton)
        with self._output as output:
            output.write(memoryview(image), 0)
            output.reserve(len(image) + self._most_bytes())
            with h5py.File(output.name, "r+", libver=LIBVER, locking=False) as self._file:
                yield self
                self._output.check_own()
                if self._unwritten:
                    raise RuntimeError(
                        f"row {min(self._unwritten)} of {self._path} was never written"
                    )
                values = self._file[self._dataset_path]
                file_hash.write(self._file, {self._dataset_path: self._hashes.sha256(values)})

    def _most_bytes(self) -> int:
        """Return how many bytes all chunks may take, and what HDF5 adds for them."""
        chunk_bytes = self.chunk_rows * self.dtype.itemsize
        chunks = len(self._unwritten) * self.shape[1]
        return chunks * (chunk_bytes + chunk_bytes // 100 + _CHUNK_EXTRA_BYTES) + _RESERVE_BYTES

    def _skeleton(self, file: h5py.File) -> None:
        file.create_dataset(
            self._dataset_path,
            self.shape,
            self.dtype,
            chunks=(self.chunk_rows, 1),
            compression="gzip",
            compression_opts=LEVEL,
            shuffle=True,
            fill_time="never",
        )
        self._build(file)
        file_hash.reserve(file)

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put `rows` (m, k) at row `start`, the first of a chunk; m is a chunk, or what is left."""
        wanted = min(self.chunk_rows, self.shape[0] - start)
        if self._file is None or start not in self._unwritten:
            raise RuntimeError(f"row {start} begins no chunk of {self._path} that is to be written")
        if rows.shape != (wanted, self.shape[1]) or rows.dtype != self.dtype:
            raise RuntimeError(f"{rows.dtype} rows {rows.shape} at {start} are no chunk")
        self._hashes.add(start, rows)
        missing = self.chunk_rows - wanted
        whole = np.pad(rows, ((0, missing), (0, 0)), "edge") if missing else rows
        for column, values in enumerate(np.ascontiguousarray(whole.T)):
            chunk = packed(values)
            self._file[self._dataset_path].id.write_direct_chunk((start, column), chunk)
            self.stored += len(chunk)
        self._unwritten.remove(start)
