"""Members of zip archives that nobody vouches for."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from gpuae.errors import InputError
from gpuae.storage.files import limits, zipped

ADVICE = "copy it or save it again"


class Archive:
    """An open archive.

    Parameters
    ----------
    source
        What messages call it.
    """

    def __init__(self, archive: zipfile.ZipFile, source: str) -> None:
        self._archive, self.source = archive, source

    @property
    def names(self) -> list[str]:
        """Of all members."""
        return self._archive.namelist()

    def member(self, name: str, most: int) -> bytes:
        """Return the content of a member of at most so many bytes.

        Raises
        ------
        InputError
            Where there is none, and where it is larger, or larger than what is stored can tell.
        """
        if name not in self._archive.NameToInfo:
            raise InputError(f"{self.source}: has no {name} in it; {ADVICE}")
        info = self._archive.getinfo(name)
        if info.file_size > most:
            raise InputError(
                f"{self.source}: its {name} takes {info.file_size} bytes where at most {most} are "
                f"expected; {ADVICE}"
            )
        allowed = limits.current()
        many = info.file_size > allowed.inflation * max(1, info.compress_size)
        if many and info.file_size > allowed.free_bytes:
            raise InputError(
                f"{self.source}: its {name} declares {info.file_size} bytes and stores "
                f"{info.compress_size}, over {allowed.inflation} times less; {limits.ADVICE}"
            )
        limits.check_memory(info.file_size, self.source, "give a smaller model")
        return zipped.content_of(self._archive, name)


@contextmanager
def opened(file: IO[bytes], source: str) -> Iterator[Archive]:
    """Open an archive; whatever is wrong with it while it is read is one sentence.

    Raises
    ------
    InputError
        With the reason.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield Archive(archive, source)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        OSError,
        EOFError,
        NotImplementedError,  # a way of packing that Python does not know
        RuntimeError,  # an encrypted archive
        OverflowError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: cannot be read ({reason}); {ADVICE}") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source}: is damaged ({error}); {ADVICE}") from None
