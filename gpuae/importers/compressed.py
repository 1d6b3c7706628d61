"""The bytes of a file that may be packed by gzip, bzip2 or xz, and no more than it may hold."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO, cast

from gpuae.errors import InputError
from gpuae.memory import physical_memory
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import check_readable

ENDINGS = (".gz", ".bz2", ".xz")
MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")


def without_ending(name: str) -> str:
    """Return the name of what is packed in a file of that name."""
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def read_bytes(path: Path, memory_of_byte: int, advice: str) -> bytes:
    """Return what a file holds, unpacked if need be.

    Parameters
    ----------
    memory_of_byte
        Bytes of memory that will be needed for each of them.
    advice
        What to do where that is more than there is.

    Raises
    ------
    InputError
        When it cannot be read or unpacked, needs more memory than there is, or is packed beyond
        reason.
    """
    size = check_readable(path)
    limits.check_memory(memory_of_byte * size, str(path), advice)
    try:
        with path.open("rb") as file:
            magic = file.read(max(map(len, MAGICS)))
        if not magic.startswith(MAGICS):
            return path.read_bytes()
        most = max(limits.current().free_bytes, limits.current().inflation * size)
        with _unpacking(path, magic) as packed:
            content = packed.read(min(most, physical_memory() // memory_of_byte) + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); copy it again") from None
    if len(content) > most:
        raise InputError(
            f"{path}: unpacks to over {limits.current().inflation} times its size; {limits.ADVICE}"
        )
    limits.check_memory(memory_of_byte * len(content), str(path), advice)
    return content


def _unpacking(path: Path, magic: bytes) -> IO[bytes]:
    if magic.startswith(MAGICS[0]):
        return cast("IO[bytes]", gzip.open(path))
    if magic.startswith(MAGICS[1]):
        return cast("IO[bytes]", bz2.open(path))
    return cast("IO[bytes]", lzma.open(path))
