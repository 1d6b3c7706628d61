"""The text of a table as blocks of UTF-8, however large it is and in whatever it is packed."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from gpuae.errors import InputError
from gpuae.importers.compressed import Blocks, unpacked_blocks
from gpuae.storage.files import limits

SMALL = 16 << 20
"""Bytes of a table that is looked at as a whole."""
WIDE = 32 << 20
"""Bytes in which a table has `PREVIEW_LINES` lines unless it has very many columns."""
BLOCK_BYTES = 1 << 20
PREVIEW_LINES, FEW_LINES = 50, 5
"""Without the comments before them: enough for two rows with line breaks in their cells, which are
not so many in a table with very many columns."""
LONGEST_ROW = 128 << 20
"""Bytes of a row: millions of columns."""
MEMORY_OF_BYTE = 6
"""Bytes of memory that each byte takes while it is looked at as a whole."""
IN_PARTS = "convert it in parts with another program to npy or HDF5, which are read in place"
COMMENTS = re.compile(rb"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*")
"""Lines at the top that are comments or blank."""
LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def utf8_blocks(file: Blocks, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield text in UTF-8, without a byte order mark, out of blocks of UTF-8 or UTF-16.

    Raises
    ------
    InputError
        When it is none, or no UTF-8 or (with a byte order mark) UTF-16.
    """
    blocks = iter(blocks)
    first = next(blocks, b"")
    wide = first.startswith(_WIDE)
    following = chain((first if wide else first.removeprefix(codecs.BOM_UTF8),), blocks)
    for block in _transcoded(file, following) if wide else _checked(file, following):
        if b"\0" in block:
            raise InputError(f"{file}: holds NUL bytes, so it is no text; give a table of text")
        yield block


def _checked(file: Blocks, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks as they are, if they are UTF-8."""
    decoder = _Decoder(file, "utf-8")
    for block in blocks:
        decoder.check(block)
        yield block
    decoder.decode(b"", final=True)


def _transcoded(file: Blocks, blocks: Iterable[bytes]) -> Iterator[bytes]:
    decode = _Decoder(file, "utf-16").decode
    for block in blocks:
        yield decode(block).encode()
    decode(b"", final=True)


class _Decoder:
    """Decodes blocks one after the other."""

    def __init__(self, file: Blocks, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._begun = 0

    def check(self, block: bytes) -> None:
        """Refuse a block that cannot be decoded."""
        if block.isascii() and not self._decoder.getstate()[0]:
            self._begun += len(block)
        else:
            self.decode(block)

    def decode(self, block: bytes, *, final: bool = False) -> str:
        """Return the characters that are complete.

        Raises
        ------
        InputError
            With the first byte, counted from 0, that is wrong.
        """
        waiting, _ = self._decoder.getstate()
        start = self._begun - len(waiting)
        self._begun += len(block)
        try:
            return self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self._file}: is not UTF-8 text (byte {start + error.start}); save it as UTF-8, "
                "or convert it by iconv -f LATIN1 -t UTF-8, if Latin-1 is what it is in"
            ) from None


@dataclass(frozen=True)
class Text:
    """The text of a table, of which the beginning has been read."""

    file: Blocks
    head: bytes
    following: Iterator[bytes]

    @property
    def is_small(self) -> bool:
        """Whether the head is all of it and not large."""
        return len(self.head) <= SMALL

    @property
    def beginning(self) -> str:
        """All of a small text, or as many lines as say what the table is."""
        text = self.head if self.is_small else self.head[: _end_of_preview(self.head)]
        return text.decode("utf-8", "ignore")

    def after(self, lines: int) -> Iterator[bytes]:
        """Yield what comes after some lines of the head, in UTF-8. It can be read once."""
        ends = (line_break.end() for line_break in LINE_BREAK.finditer(self.head))
        start = next(islice(chain((0,), ends), lines, None), len(self.head))
        for part in chain((self.head[start:],), self.following):
            for place in range(0, len(part), BLOCK_BYTES):
                yield part[place : place + BLOCK_BYTES]


def opened(file: Blocks) -> Text:
    """Return the text in a file, which may be packed.

    Raises
    ------
    InputError
        When it is none, or no UTF-8 or (with a byte order mark) UTF-16.
    """
    blocks = utf8_blocks(file, unpacked_blocks(file))
    return Text(file, _head(file, blocks), blocks)


def read(file: Blocks) -> str:
    """Return the text in a file that is to be looked at as a whole.

    Raises
    ------
    InputError
        As `opened` says, and where it needs more memory than there is.
    """
    limits.check_memory(MEMORY_OF_BYTE * file.size, str(file), IN_PARTS)
    text, content = opened(file), bytearray()
    for block in chain((text.head,), text.following):
        content += block
        limits.check_memory(MEMORY_OF_BYTE * len(content), str(file), IN_PARTS)
    return content.decode()


def _head(file: Blocks, blocks: Iterator[bytes]) -> bytes:
    """Return all of a small text, or enough of it to say what the table is."""
    parts: list[bytes] = []
    size, wanted = 0, SMALL
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > wanted:
            parts = [b"".join(parts)]
            if _end_of_preview(parts[0]) is not None:
                break
            check_row(size, file)
            wanted = 2 * size
    return b"".join(parts)


def _end_of_preview(text: bytes) -> int | None:
    """Return where the lines end that say what a table is; None where there are too few."""
    comments = COMMENTS.match(text)
    breaks = LINE_BREAK.finditer(text, comments.end() if comments else 0)
    wanted = PREVIEW_LINES if len(text) <= WIDE else FEW_LINES
    last = next(islice(breaks, wanted - 1, None), None)
    return None if last is None else last.end()


def check_row(size: int, file: object) -> None:
    """Refuse to look for the end of a row beyond that of any table.

    Raises
    ------
    InputError
        Where there are so many bytes without it.
    """
    if size > LONGEST_ROW:
        raise InputError(
            f"{file}: has rows of over {LONGEST_ROW >> 20} MiB or quotes that are never closed; "
            f"correct it, or {IN_PARTS}"
        )


def lines(file: object, blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text as they are, with their line breaks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    waiting = [""]
    for block in blocks:
        waiting.append(decoder.decode(block))
        if "\n" in waiting[-1] or "\r" in waiting[-1]:
            *whole, last = io.StringIO("".join(waiting), newline="")
            yield from whole
            waiting = [last]
        check_row(sum(map(len, waiting)), file)
    yield from io.StringIO("".join(waiting), newline="")
