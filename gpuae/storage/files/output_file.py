"""A file beside the one that is wanted, which takes its name when it is complete.

Its own name follows from the wanted one, and whoever writes it holds a lock on it. So two processes
never write the same output, and what a killed one has left is used up by the next.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

from gpuae.errors import OutputError
from gpuae.storage.files import system
from gpuae.storage.files.locked_file import (
    ENDINGS,
    NAME_LENGTH,
    hidden_name,
    is_name_of,
    open_locked,
    real_path,
)
from gpuae.storage.files.progress import discard


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
        _check_target(path, real_path(path), force=force)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; choose another name") from None


def _check_target(path: Path, target: Path, *, force: bool) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        target.lstat()  # Python 3.14 no longer raises for names that are too long in what follows
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; add a file name")
    if target.is_symlink():
        raise OutputError(f"{path}: is a link that leads in a circle; choose another name")
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
    folder = real_path(path).parent
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
        if size > free:
            raise OutputError(
                f"{path}: needs {size / 2**20:.0f} MiB and {folder} has {free / 2**20:.0f} MiB "
                "left; make room or choose another folder"
            )


def check_distinct(output: Path, *inputs: Path | None) -> None:
    """Refuse an output that would replace what it is made from, also through links.

    Nor may an input have a name that the output has while it is written.

    Raises
    ------
    OutputError
        Naming the input.
    """
    hidden = [hidden_name(real_path(output), ending) for ending in ENDINGS]
    for path in inputs:
        if path is None or not path.exists():
            continue
        if output.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the input {path} itself; choose another name")
        if any(name.exists() and name.samefile(path) for name in hidden):
            raise OutputError(
                f"{output}: would be written under the name of the input {path}; rename that"
            )


def _check_folder(path: Path, target: Path) -> None:
    """Make and remove a file: only that tells whether one can be made."""
    probe = target.with_name(f".{target.name[:NAME_LENGTH]}.{secrets.token_hex(4)}.probe")
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"{path}: no file can be made in {target.parent} ({error.strerror}); choose another one"
        ) from None


def partial_name(target: Path) -> Path:
    """Return the hidden name, in the same folder, under which `target` is being written."""
    return hidden_name(target, "partial")


class OutputFile:
    """A new file beside `path` that takes its name when the block ends well, else is removed.

    Attributes
    ----------
    name
        The hidden name of the file.
    wanted
        Whether it takes its name in the end; a block may find that it has nothing to write.

    Raises
    ------
    OutputError
        Whenever the file cannot be made, written or put in place, and when another process is
        writing it.
    """

    def __init__(self, path: Path, force: bool) -> None:
        check_output(path, force)
        self._path = path
        self._force = force
        self._target = real_path(path)
        self.name = partial_name(self._target)
        self._journal = hidden_name(self._target, "progress")
        self.wanted = True
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = open_locked(self.name, self._path)
        except OSError as error:
            raise self._refusal(error) from None
        self._status = os.fstat(self._descriptor)
        self._keep_mode()
        try:
            self._begin()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *others: object) -> None:
        ended = kind is None and self.wanted
        kept = not ended and self._is_kept()
        try:
            if ended:
                self._publish()
        finally:
            if not kept:
                self._remove()
            self._close()  # and so unlocked, when nobody can find it any more

    def _begin(self) -> None:
        """Prepare the file, which may hold what a killed process has left."""
        self.clear()

    def _is_kept(self) -> bool:
        """Whether a file that is not complete stays under its hidden name."""
        return False

    def _remove(self) -> None:
        """Remove the hidden names, unless they are another process's by now."""
        if is_name_of(self.name, self._status):
            discard(self._journal)
            if not system.REPLACES_OPEN:
                self._close()
            self.name.unlink()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def check_own(self) -> None:
        """Refuse to go on where something else has the hidden name by now.

        Raises
        ------
        OutputError
            When it has, or the folder is another one.
        """
        if not is_name_of(self.name, self._status):
            raise OutputError(
                f"{self._path}: {self.name.name}, under which it was written, was removed or "
                "replaced; choose a folder that only you write to"
            )

    def _keep_mode(self) -> None:
        """Give the file the permissions of the one that it will replace."""
        with suppress(OSError, AttributeError):  # no such file, or no such call on this system
            os.fchmod(self._descriptor, stat.S_IMODE(self._target.stat().st_mode))

    def clear(self) -> None:
        """Begin anew; what a journal says of the content holds no longer."""
        try:
            discard(self._journal)
            os.ftruncate(self._descriptor, 0)
        except OSError as error:
            raise self._refusal(error) from None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._descriptor).st_size

    def reserve(self, size: int) -> None:
        """Take `size` bytes of the disk, where the platform can; a full disk is found out now."""
        try:
            system.reserve(self._descriptor, size)
        except OSError as error:
            raise self._refusal(error, size) from None

    def read(self, start: int, size: int) -> bytes:
        """Return bytes that have been written."""
        return system.read_at(self._descriptor, size, start)

    def write(self, content: memoryview, offset: int) -> None:
        """Write all of `content` at `offset`; several threads may."""
        try:
            while content:
                written = system.write_at(self._descriptor, content, offset)
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
            self.check_own()
            if not system.REPLACES_OPEN:
                self._close()
            if self._force or not self._link():
                system.replace(self.name, self._target)
            system.sync_folder(self._target.parent)
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


class ResumableOutput(OutputFile):
    """An output file of which a part may be kept, and gone on with by a later process.

    Parameters
    ----------
    going_on
        Whether what an earlier process has left is kept as it is.

    Attributes
    ----------
    journal
        The hidden name of a file that may say how far it has come.
    keep
        Whether both files stay when the block does not end well.
    """

    def __init__(self, path: Path, force: bool, *, going_on: bool) -> None:
        super().__init__(path, force)
        self._going_on = going_on
        self.journal = self._journal
        self.keep = False

    def _begin(self) -> None:
        if not self._going_on:
            self.clear()

    def _is_kept(self) -> bool:
        return self.keep
