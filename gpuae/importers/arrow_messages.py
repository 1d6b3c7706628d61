"""What the messages of an Arrow file or stream declare, before any of them is unpacked.

A message is a description, a flatbuffer, and a body; of a batch the description says how many rows
it has and where its buffers are in the body. A packed buffer begins with its size when it is
unpacked. A file ends with a list of its batches, a flatbuffer too. Sources: Arrow Columnar Format
1.5, "Serialization and Interprocess Communication", with Message.fbs, Schema.fbs and File.fbs;
FlatBuffers, "Internals".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile

CONTINUATION = 0xFFFFFFFF
"""Before the length of a description, since version 0.15."""
DICTIONARY, BATCH = 2, 3
"""Kinds of messages that have rows."""
_HEADER_KIND, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_OF_DICTIONARY = 1
"""Fields of the tables, by number."""
_DICTIONARIES, _BATCHES = 2, 3
"""Fields of the list at the end of a file."""
_NOT_PACKED = -1
END_MAGIC = b"ARROW1"
"""What an Arrow file ends with, after the length of the list."""


@dataclass(frozen=True)
class Survey:
    """What a stream declares."""

    rows: int
    is_ended: bool
    """Whether the mark of its end is there."""


def survey(file: InputFile, *, is_stream: bool) -> Survey:
    """Look at all batches.

    Raises
    ------
    InputError
        For what is cut short, damaged, or far larger when it is unpacked.
    """
    try:
        return _of_stream(file) if is_stream else Survey(_of_file(file), is_ended=True)
    except (struct.error, IndexError, OverflowError):
        raise _damaged(file) from None


def _of_stream(file: InputFile) -> Survey:
    """Look at the messages of a stream, which follow one another."""
    rows = place = 0
    while place < file.size:
        length, begin = _length(file, place)
        if length == 0:
            return Survey(rows, is_ended=True)
        message = _message(file, begin, length)
        rows += message.rows
        place = begin + length + message.body
    return Survey(rows, is_ended=False)


def _of_file(file: InputFile) -> int:
    """Return the rows of the batches that are listed at the end of a file."""
    length_at = file.size - len(END_MAGIC) - 4
    (length,) = struct.unpack("<i", file.read(length_at, 4))
    if not 0 < length <= min(length_at, limits.current().description_bytes):
        raise _damaged(file)
    footer = _Table.root(file.read(length_at - length, length))
    rows = 0
    for field in (_DICTIONARIES, _BATCHES):
        for place, _, _ in footer.structs(field, "<qi4xq"):
            length, begin = _length(file, place)
            rows += _message(file, begin, length).rows
    return rows


def _length(file: InputFile, place: int) -> tuple[int, int]:
    """Return the length of a description and where it begins."""
    (length,) = struct.unpack("<I", file.read(place, 4))
    if length != CONTINUATION:
        return length, place + 4
    (length,) = struct.unpack("<I", file.read(place + 4, 4))
    return length, place + 8


@dataclass(frozen=True)
class _Message:
    rows: int
    body: int
    """Bytes."""


def _message(file: InputFile, begin: int, length: int) -> _Message:
    """Return the rows of a batch, 0 of other messages, and the length of the body."""
    if length > min(limits.current().description_bytes, file.size):
        raise _damaged(file)
    table = _Table.root(file.read(begin, length))
    body = table.integer(_BODY_LENGTH, "<q")
    first = begin + length
    if not 0 <= body <= file.size - first:
        raise _damaged(file)
    kind = table.integer(_HEADER_KIND, "<B")
    if kind not in (DICTIONARY, BATCH):
        return _Message(0, body)
    batch = table.inner(_HEADER)
    _check_unpacked(file, batch.inner(_OF_DICTIONARY) if kind == DICTIONARY else batch, first, body)
    rows = batch.integer(_LENGTH, "<q") if kind == BATCH else 0
    if rows < 0:
        raise _damaged(file)
    return _Message(rows, body)


def _check_unpacked(file: InputFile, batch: _Table, first: int, body: int) -> None:
    """Refuse a body whose buffers are far larger than itself, or reach beyond it."""
    total = 0
    is_packed = batch.has(_COMPRESSION)
    for offset, size in batch.structs(_BUFFERS, "<qq"):
        if offset < 0 or size < 0 or offset + size > body:
            raise _damaged(file)
        total += _unpacked(file, first + offset, size) if is_packed and size else size
    allowed = limits.current()
    if total > max(allowed.free_bytes, allowed.inflation * body):
        raise InputError(
            f"{file}: declares {total} bytes in a batch of {body}, over {allowed.inflation} times "
            f"more; {limits.ADVICE}"
        )
    if is_packed:
        limits.check_memory(total, str(file), "write it in smaller batches")


def _unpacked(file: InputFile, place: int, size: int) -> int:
    (declared,) = struct.unpack("<q", file.read(place, 8))
    if declared == _NOT_PACKED:
        return size
    if declared < 0:
        raise _damaged(file)
    return int(declared)


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: where it is, and where its fields are."""

    content: bytes
    place: int

    @classmethod
    def root(cls, content: bytes) -> _Table:
        """Return the table that a buffer begins with."""
        return cls(content, _integer(content, 0, "<I"))

    def _field(self, number: int) -> int | None:
        """Return where a field is; None where it has its default."""
        fields = self.place - _integer(self.content, self.place, "<i")
        if 4 + 2 * number >= _integer(self.content, fields, "<H"):
            return None
        offset = _integer(self.content, fields + 4 + 2 * number, "<H")
        return self.place + offset if offset else None

    def has(self, number: int) -> bool:
        """Whether a field is there."""
        return self._field(number) is not None

    def integer(self, number: int, kind: str) -> int:
        """Return a number, 0 by default."""
        place = self._field(number)
        return 0 if place is None else _integer(self.content, place, kind)

    def inner(self, number: int) -> _Table:
        """Return the table that a field points to."""
        return _Table(self.content, self._target(number))

    def structs(self, number: int, kind: str) -> Iterator[tuple[int, ...]]:
        """Yield the structures in a vector; none by default."""
        if self.has(number):
            place = self._target(number)
            count = _integer(self.content, place, "<I")
            stop = place + 4 + struct.calcsize(kind) * count
            if stop > len(self.content):
                raise IndexError
            yield from struct.iter_unpack(kind, self.content[place + 4 : stop])

    def _target(self, number: int) -> int:
        place = self._field(number)
        if place is None:
            raise IndexError
        return place + _integer(self.content, place, "<I")


def _integer(content: bytes, place: int, kind: str) -> int:
    if place < 0:
        raise IndexError
    value: int = struct.unpack_from(kind, content, place)[0]
    return value


def _damaged(file: InputFile) -> InputError:
    return InputError(f"{file}: is cut short or damaged where Arrow describes it; make it again")
