"""HDF5 files around large datasets, which appear under their name only when they are complete.

HDF5 loses a file that is being written when the process is killed, and can crash on a full disk.
So HDF5 itself only ever writes into memory or into space that has been reserved; everything else is
plain files in the same folder, put in place by one rename.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.errors import InputError, OutputError
from gpuae.storage.content_hash import file_hash
from gpuae.storage.files.background_hash import BackgroundHash
from gpuae.storage.files.output_file import ResumableOutput
from gpuae.storage.files.progress import Progress
from gpuae.storage.outputs.hdf5_image import Build, image_of
from gpuae.storage.outputs.large_datasets import (
    LargeDataset,
    allocate,
    large_datasets,
    offset_of,
    opened,
)
from gpuae.storage.outputs.late_hashes import complete_file, completed

SYNC_SECONDS = 5.0
"""How often it is noted how far an output is that can be resumed."""
LARGE_BYTES = 4 << 30
"""Hashing so many bytes takes some seconds."""
_RESERVE_BYTES = 1 << 16
"""Room for what HDF5 adds when it allocates the large dataset: metadata and alignment."""


class RowsOutput:
    """A new HDF5 file around one large contiguous dataset that is filled by blocks of rows.

    Or around several in one group, one for each field of `dtype`.

    A context manager. The file takes its name when the block ends with all rows written; after an
    exception, Ctrl-C included, nothing is left behind. The space is reserved on entering.

    Parameters
    ----------
    path
        Appears complete or not at all.
    dataset_path
        Where in the file the large dataset lies.
    shape
        Of the large dataset, rows first.
    dtype
        In which rows are stored. Where it has fields, `dataset_path` is the dataset of the first.
    build
        Writes everything else: attributes (of the large dataset too, which is there but must not
        be filled) and small datasets.
    force
        Whether an existing file is replaced.
    resume
        Whether to resume an interrupted output with the same `build`, if there is one. None: an
        interrupted output is deleted.
    late
        Hashes whose placeholders `build` writes, and that replace these once they are known.

    Attributes
    ----------
    start
        How many rows are there already.
    can_go_on
        Whether it has been noted how far the file is: only then is it left to be resumed.

    Raises
    ------
    OutputError
        When it cannot be written there, or the disk is too small, or what was interrupted was
        another output.
    RuntimeError
        For wrong use: entered twice, rows of a wrong shape, rows left unwritten.
    """

    def __init__(
        self,
        path: Path,
        dataset_path: str,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        build: Build,
        *,
        force: bool,
        resume: bool | None = None,
        late: Sequence[BackgroundHash] = (),
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._path = path
        self._large = large_datasets(dataset_path, shape, self.dtype)
        self._build = build
        self._resume = resume
        self._late = tuple(late)
        self._begun = b""
        self._identity = ""
        self._file = ResumableOutput(path, force, going_on=bool(resume))
        self._block: AbstractContextManager[Self] | None = None
        self._written: list[tuple[int, int]] = []
        self._synced = 0.0
        self._syncing = Lock()
        self.start = 0
        self.can_go_on = False

    def __enter__(self) -> Self:
        if self._block is not None:
            raise RuntimeError("a RowsOutput is entered once; make a new one")
        self._block = self._filled()
        return self._block.__enter__()

    def __exit__(self, *exception: Any) -> None:
        if self._block is not None:
            self._block.__exit__(*exception)

    @contextmanager
    def _filled(self) -> Iterator[Self]:
        """Begin or resume the file, and complete it once all rows have been written."""
        image = self._first_image()
        with self._file as file:
            if not (self._resume and self._goes_on()):
                file.clear()
                file.write(memoryview(image), 0)
                file.reserve(len(image) + self._rows_bytes + _RESERVE_BYTES)
                allocate(file.name, self._large)
            self._synced = time.monotonic()
            try:
                yield self
            except BaseException as error:
                self._leave_what_is_there(error)
                raise
            file.check_own()
            self._complete()

    @property
    def _first(self) -> LargeDataset:
        return self._large[0]

    @property
    def _rows_bytes(self) -> int:
        return sum(self.shape[0] * large.row_bytes for large in self._large)

    def _first_image(self) -> bytes:
        """Return the bytes that the file begins with, and wait for hashes where that is needed."""
        image = image_of(self._skeleton)
        if self._late and not self._waits_for_hashes:
            self._begun = image
            return image
        image, self._late = completed(image, self._late), ()
        self._identity = sha256(image).hexdigest()
        return image

    @property
    def _waits_for_hashes(self) -> bool:
        """Whether hashes must be known before rows are written.

        They tell whether the output that is resumed is the same one. And it is not noted how far an
        output is before they are known, so an interruption would cost much work on large data.
        """
        large = any(late.file.size > LARGE_BYTES for late in self._late)
        return bool(self._resume) or (self._resume is not None and large)

    def _goes_on(self) -> bool:
        """Resume what was interrupted; False if there is nothing that can be resumed."""
        done = Progress.read(self._file.journal)
        if done is None or not 0 <= done.rows <= self.shape[0]:
            return False
        if done.identity != self._identity:
            self._file.keep = True
            raise OutputError(
                f"{self._path}: what was interrupted is of another model, other data or other "
                "options; give the same ones, or leave --resume out to begin anew"
            )
        first = self._first
        whole = self._file.size >= done.offset + self.shape[0] * first.row_bytes
        if not whole or done.offset != offset_of(self._file.name, first.path):
            return False
        first.offset, self.start, self.can_go_on = done.offset, done.rows, True
        self._written.append((0, self.start))
        return True

    def _leave_what_is_there(self, error: BaseException) -> None:
        """Make sure that an interrupted file can be resumed, unless its input is at fault."""
        if self._resume is not None and not isinstance(error, InputError):
            with suppress(OutputError, InputError):
                self._sync()
            self._file.keep = self.can_go_on

    def write(self, start: int, rows: NDArray[Any]) -> None:
        """Put `rows` (m, ...) at row `start`; several threads may, in any order."""
        if self._block is None:
            raise RuntimeError("a RowsOutput must be entered before rows are written")
        stop = start + len(rows)
        if rows.shape[1:] != self.shape[1:] or not 0 <= start <= stop <= self.shape[0]:
            raise RuntimeError(f"rows {rows.shape} at {start} do not fit into {self.shape}")
        for large in self._large:
            values = rows if large.field is None else rows[large.field]
            stored = np.ascontiguousarray(values, dtype=large.dtype)
            large.hashes.add(start, stored)  # first: a lost page of theirs is found by reading it
            content = stored.reshape(-1).view(np.uint8).data
            self._file.write(content, large.offset + start * large.row_bytes)
        self._written.append((start, stop))
        if self._resume is not None and time.monotonic() - self._synced > SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        """Make what was written outlast a power cut and a kill, and note how far that is.

        If there is no space for the note, the one before it stays, and fewer rows are kept. Nothing
        is noted before it is known which data the rows come from.
        """
        if not self._syncing.acquire(blocking=False):
            return
        try:
            if all(late.known for late in self._late):
                self._note_progress()
                self._synced = time.monotonic()
        finally:
            self._syncing.release()

    def _note_progress(self) -> None:
        self._write_hashes()
        rows = self._first_unwritten()
        self._file.flush()
        with suppress(OSError):
            Progress(self._identity, self._first.offset, rows).write(self._file.journal)
            self.can_go_on = True

    def _write_hashes(self) -> None:
        """Write late hashes over their placeholders."""
        if self._late:
            complete_file(self._file, self._begun, self._late)
            self._identity = sha256(completed(self._begun, self._late)).hexdigest()
            self._begun, self._late = b"", ()

    def _skeleton(self, file: h5py.File) -> None:
        """Declare the large datasets without space for them; let the caller write the rest."""
        for large in self._large:
            file.create_dataset(large.path, large.shape, large.dtype, fill_time="never")
        self._build(file)
        file_hash.reserve(file)

    def _complete(self) -> None:
        """Make sure that all rows are there, and write the content hash."""
        unwritten = self._first_unwritten()
        if unwritten < self.shape[0]:
            raise RuntimeError(f"row {unwritten} of {self._path} was never written")
        self._write_hashes()
        with opened(self._file.name) as file:
            known = {large.path: large.hashes.sha256(file[large.path]) for large in self._large}
            file_hash.write(file, known)

    def _first_unwritten(self) -> int:
        """Return the first row that was not written, or the number of rows."""
        reached = 0
        for start, stop in sorted(self._written):
            if start > reached:
                break
            reached = max(reached, stop)
        return reached
