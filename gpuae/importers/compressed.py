"""The bytes of a file that may be packed by gzip, bzip2 or xz, and no more than it may hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast

from gpuae.errors import InputError
from gpuae.storage.files import limits

ENDINGS = (".gz", ".bz2", ".xz")
MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
BLOCK_BYTES = 1 << 20


class Blocks(Protocol):
    """What is read a block at a time: a file, or what can take the place of one."""

    @property
    def path(self) -> Path:
        """Of the file, for messages."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def head(self) -> bytes:
        """The first bytes, up to some thousand."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in order."""
        ...


def without_ending(name: str) -> str:
    """Return the name of what is packed in a file of that name."""
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def unpacked_blocks(file: Blocks) -> Iterator[bytes]:
    """Yield what a file holds, unpacked if need be, a block at a time.

    Raises
    ------
    InputError
        When it cannot be read or unpacked, or is packed beyond reason.
    """
    if not file.head.startswith(MAGICS):
        yield from file.blocks()
        return
    try:
        yield from _unpacked(file)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read ({reason}); copy it again") from None


def _unpacked(file: Blocks) -> Iterator[bytes]:
    """Yield what is packed in a file, as long as it is no more than it may hold."""
    most = max(limits.current().free_bytes, limits.current().inflation * file.size)
    packed = _unpacking(io.BufferedReader(_Joined(file.blocks())), file.head)
    for block in iter(lambda: packed.read(BLOCK_BYTES), b""):
        most -= len(block)
        if most < 0:
            raise InputError(
                f"{file}: unpacks to over {limits.current().inflation} times its size; "
                f"{limits.ADVICE}"
            )
        yield block


class _Joined(io.RawIOBase):
    """Blocks as a file that is read from its beginning to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _unpacking(file: io.BufferedReader, head: bytes) -> IO[bytes]:
    if head.startswith(MAGICS[0]):
        return cast("IO[bytes]", gzip.open(file))
    if head.startswith(MAGICS[1]):
        return cast("IO[bytes]", bz2.open(file))
    return cast("IO[bytes]", lzma.open(file))
