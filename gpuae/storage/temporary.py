"""A file beside the one that is wanted, which takes its name when it is complete.

Its own name follows from the wanted one, and whoever writes it holds a lock on it. So two processes
never write the same output, and what a killed one has left is used up by the next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gpuae.errors import OutputError
from gpuae.storage.journal import discard

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows, where a file that is open cannot be replaced anyway
    flock = None  # type: ignore[assignment]

_NAME_LENGTH = 40
"""Of the wanted name, so much is kept in that of the partial file."""


def check_output(path: Path, force: bool) -> None:
    """Refuse an output that cannot be written, before any work is done for it.

    Raises
    ------
    OutputError
        When it exists and `force` is not given, is no plain file, or its folder is missing or
        not writable.
    """
    if path == Path("-"):
        raise OutputError("-: nothing is written to standard output; give the name of a file")
    try:
        _check_target(path, _target(path), force=force)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; choose another name") from None


def _check_target(path: Path, target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; add a file name")
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: is not a plain file; choose another name")
    if target.exists() and not force:
        raise OutputError(
            f"{path}: exists already; choose another name or give --force (in Python force=True)"
        )
    if not target.parent.is_dir():
        raise OutputError(f"{path}: the folder {target.parent} does not exist; make it first")
    _check_folder(path, target)


def check_room(path: Path, size: int) -> None:
    """Refuse an output of so many bytes that its disk has no room for, before work is done for it.

    It is only reserved when it is written: others may take the room meanwhile.

    Raises
    ------
    OutputError
        With what is needed and what there is.
    """
    folder = _target(path).parent
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if size > free:
            raise OutputError(
                f"{path}: needs {size / 2**20:.0f} MiB and {folder} has {free / 2**20:.0f} MiB "
                "left; make room or choose another folder"
            )


def check_distinct(output: Path, *inputs: Path | None) -> None:
    """Refuse an output that would replace what it is made from, also through links.

    Raises
    ------
    OutputError
        Naming the input.
    """
    for path in inputs:
        if path is not None and output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself; choose another name")


def _check_folder(path: Path, target: Path) -> None:
    """Make and remove a file: only that tells whether one can be made."""
    probe = target.with_name(f".{target.name[:_NAME_LENGTH]}.{secrets.token_hex(4)}.probe")
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{path}: no file can be made in {target.parent} ({error.strerror}); choose another one"
        ) from None


def partial_name(target: Path, ending: str = "partial") -> Path:
    """Return the hidden name, in the same folder, under which `target` is being written."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    return target.with_name(f".{target.name[:_NAME_LENGTH]}.{digest}.{ending}")


def _target(path: Path) -> Path:
    """Follow symbolic links, so that the file they name is replaced and not the link."""
    return Path(os.path.realpath(path))


class Temporary:
    """A new file beside `path` that takes its name when the block ends well, else is removed.

    Parameters
    ----------
    going_on
        Whether what an earlier process has left is kept as it is.

    Attributes
    ----------
    name, journal
        The hidden names of the file, and of one that may say how far it has come.
    keep
        Whether these stay when the block does not end well.
    discarded
        Whether the file is not wanted after all, however well the block ends.

    Raises
    ------
    OutputError
        Whenever the file cannot be made, written or put in place, and when another process is
        writing it.
    """

    def __init__(self, path: Path, force: bool, *, going_on: bool = False) -> None:
        check_output(path, force)
        self._path = path
        self._force = force
        self._going_on = going_on
        self._target = _target(path)
        self.name = partial_name(self._target)
        self.journal = partial_name(self._target, "progress")
        self.keep = self.discarded = False
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            while self._descriptor < 0:
                self._descriptor = self._opened()
            if not self._going_on:
                self.clear()
        except OSError as error:
            raise self._refusal(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        done = False
        try:
            if kind is None and not self.discarded:
                self._publish()
                done = True
        finally:
            if done or not self.keep:
                if self._is_found(self._descriptor):  # else another process's has the name by now
                    self.name.unlink()
                discard(self.journal)
            os.close(self._descriptor)  # and so unlocked, when nobody can find it any more

    def _opened(self) -> int:
        """Return the file, open and locked; -1 where it is another one's and has gone meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.name, flags, 0o666)
        try:
            self._lock(descriptor)
            if self._is_found(descriptor):
                if os.fstat(descriptor).st_nlink <= 1:
                    return descriptor
                self.name.unlink()  # its owner was killed when it had just been published
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return -1

    def _is_found(self, descriptor: int) -> bool:
        """Whether the hidden name is that of an open file."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.name.stat())
        except FileNotFoundError:
            return False

    def _lock(self, descriptor: int) -> None:
        """Lock the file, on file systems that can.

        Raises
        ------
        OutputError
            When another process has.
        """
        if flock is None:
            return
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise OutputError(
                    f"{self._path}: another process is writing it; wait until that has ended or "
                    "choose another name"
                ) from None

    def clear(self) -> None:
        """Begin anew; what a journal says of the content holds no longer."""
        discard(self.journal)
        os.ftruncate(self._descriptor, 0)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def reserve(self, size: int) -> None:
        """Take `size` bytes of the disk, where the platform can; a full disk is found out now."""
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            raise self._refusal(error, size) from None

    def write(self, content: memoryview, offset: int) -> None:
        """Write all of `content` at `offset`; several threads may."""
        try:
            while content:
                written = os.pwrite(self._descriptor, content, offset)
                content = content[written:]
                offset += written
        except OSError as error:
            raise self._refusal(error) from None

    def truncate(self, size: int) -> None:
        """Give back what was reserved beyond `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def flush(self) -> None:
        """Make what was written so far outlast a power cut."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._refusal(error) from None

    def _publish(self) -> None:
        try:
            os.fsync(self._descriptor)
            check_output(self._path, self._force)
            if self._force or not self._link():
                self.name.replace(self._target)
            _sync_folder(self._target.parent)
        except OSError as error:
            raise self._refusal(error) from None

    def _link(self) -> bool:
        """Give the file its name in one step that fails where the name has been taken meanwhile.

        Returns whether the file system could; some have no links.
        """
        try:
            os.link(self.name, self._target)
        except FileExistsError:
            check_output(self._path, self._force)
            raise
        except OSError:
            return False
        return True

    def _refusal(self, error: OSError, size: int | None = None) -> OutputError:
        needed = f", it needs {size / 2**20:.0f} MiB" if size else ""
        return OutputError(
            f"{self._path}: cannot be written ({error.strerror or error}{needed}); "
            "make room or choose another folder"
        )


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse this; the file is complete
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
