"""What HDF5 says about a file, in words and bytes that can be handed to another process.

Nothing here decides what is accepted: whoever asks does.
"""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import h5py
import numpy as np
from h5py import h5a, h5d, h5i, h5l, h5o, h5s, h5t
from numpy.typing import NDArray

from gpuae.storage.files import system

Said: TypeAlias = tuple[object, bytes | memoryview]
"""An answer: what JSON can hold, and bytes."""

HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
"""What h5py raised on thousands of mutated files; UnicodeDecodeError is a ValueError."""
_NO_MEMORY = ("allocation failed", "Can't allocate", "can't allocate", "unable to allocate")
codecs.lookup("ascii")  # is read from a file, which has to be before files are closed

MOST_BYTES, MOST_TEXTS = 1 << 20, 16
"""Of an attribute that is read; texts may all point to one long one."""
LENGTH_AND_INDEX_BYTES = 8
"""That a text of any length takes where the values are, beside its place."""
_CLASSES = {h5t.INTEGER: "integer", h5t.FLOAT: "float", h5t.STRING: "string"}


class PositionedFile:
    """A file as h5py wants it, read at places without moving the descriptor's own.

    Parameters
    ----------
    descriptor
        Open for reading.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._place = descriptor, 0
        self._size = os.fstat(descriptor).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Return where it is."""
        return self._place

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer; there are zeros beyond the end, as HDF5's own reading has them."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            count = system.read_into(self._descriptor, view[filled:], self._place + filled)
            if count == 0:
                view[filled:] = bytes(len(view) - filled)
                break
            filled += count
        self._place += len(view)
        return len(view)

    def read(self, size: int) -> bytes:
        """Return so many bytes."""
        content = bytearray(size)
        self.readinto(memoryview(content))
        return bytes(content)

    def flush(self) -> None:
        """Do nothing: it is only read."""


class Answers:
    """Answers to questions about an HDF5 file.

    A question is a list: its name, which is that of a method here, the path of a group or dataset,
    and what else the method is given. Nothing has to be asked for before: whoever answers the next
    question may be another process.
    """

    def __init__(self, open_file: Callable[[], h5py.File]) -> None:
        self._open_file = open_file
        self._items: dict[str, Any] = {}

    def __call__(self, question: list[Any], _: memoryview | None = None) -> Said:
        """Return an answer, which says what has failed where HDF5 could not give one."""
        name, *given = question
        try:
            said, raw = getattr(self, name)(*given)
        except MemoryError:
            return {"failed": "memory"}, b""
        except HDF5_ERRORS as error:
            reason = _reason(error)
            short = any(words in reason for words in _NO_MEMORY)
            return {"failed": "memory" if short else "reading", "reason": reason}, b""
        return {"said": said}, raw

    def root(self, path: str) -> Said:
        """Open the file and describe its root."""
        return self._described(path), b""

    def child(self, path: str) -> Said:
        """Describe what a hard link leads to; None where there is none."""
        group, name = self._place(path)
        if not group.id.links.exists(name):
            return None, b""
        if group.id.links.get_info(name).type != h5l.TYPE_HARD:
            return {"kind": "link"}, b""
        return self._described(path), b""

    def has(self, path: str) -> Said:
        """Whether there is a link of any kind at a path whose group there is."""
        group, name = self._place(path)
        return group.id.links.exists(name), b""

    def names(self, path: str, what: str, most: int) -> Said:
        """Return how many names a group or its attributes have, and the first of them in order.

        None stands for one that is not UTF-8. Of more attributes than `most` there are no names:
        HDF5 would have to look up all.
        """
        item = self._item(path)
        if what == "attributes":
            count = len(item.attrs)
            return [count, list(map(_text, item.attrs)) if count <= most else []], b""
        return [len(item), list(map(_text, _first_links(item, most)))], b""

    def attribute(self, path: str, name: str) -> Said:
        """Return type and shape of an attribute, and its values where these are few.

        None where there is no such attribute.
        """
        item, encoded = self._item(path), _encoded(name)
        if not h5a.exists(item.id, encoded):
            return None, b""
        opened = h5a.open(item.id, encoded)
        about = {"type": _type(opened), "shape": opened.shape, "lengths": None}
        if opened.shape is None or not _is_small(about["type"], math.prod(opened.shape)):
            return {**about, "left_out": True}, b""
        values = np.empty(opened.shape, opened.dtype)
        opened.read(values)
        lengths, raw = _handed(values)
        return {**about, "lengths": lengths, "left_out": False}, raw

    def values(self, path: str, starts: list[int], stops: list[int]) -> Said:
        """Return the values in a box of a dataset; of text of any length the lengths too."""
        dataset = self._item(path)
        box = tuple(map(slice, starts, stops))
        values = dataset[box] if box else np.array(dataset[()], dataset.dtype)
        return _handed(np.asarray(values))

    def chunk_places(self, path: str) -> Said:
        """Return of each chunk its first index, offset in the file, size and skipped filters."""
        rows: list[tuple[int, ...]] = []
        self._item(path).id.chunk_iter(
            lambda chunk: rows.append(
                (*chunk.chunk_offset, chunk.byte_offset or 0, chunk.size, chunk.filter_mask)
            )
        )
        return len(rows), np.array(rows, "<i8").reshape(-1).view(np.uint8).data

    def _item(self, path: str) -> Any:
        """Return the group or dataset at a path of hard links."""
        if path not in self._items:
            self._items[path] = self._opened(path)
        return self._items[path]

    def _opened(self, path: str) -> Any:
        if path == "/":
            return self._open_file()["/"]
        group, name = self._place(path)
        if group.id.links.get_info(name).type != h5l.TYPE_HARD:
            raise KeyError(f"{path} is no hard link")
        return group[name]

    def _place(self, path: str) -> tuple[Any, bytes]:
        """Return the group that a path ends in, and the name in it."""
        group, _, name = path.rpartition("/")
        return self._item(group or "/"), _encoded(name)

    def _described(self, path: str) -> dict[str, object]:
        item = self._item(path)
        said = {"address": h5o.get_info(item.id).addr, "kind": "other"}
        if isinstance(item, h5py.Group):
            return {**said, "kind": "group"}
        return {**said, **_dataset(item)} if isinstance(item, h5py.Dataset) else said


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _first_links(group: h5py.Group, most: int) -> list[bytes]:
    """Return the first names in a group, without looking at all of them one by one."""
    found: list[bytes] = []

    def take(name: bytes) -> bool | None:
        found.append(name)
        return len(found) >= most or None

    group.id.links.iterate(take)
    return found


def _text(name: str | bytes) -> str | None:
    """Return a name, which h5py gives as bytes where it is not UTF-8: None then."""
    try:
        return name.decode() if isinstance(name, bytes) else name
    except UnicodeDecodeError:
        return None


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _dataset(dataset: h5py.Dataset) -> dict[str, object]:
    """Return all that is known of a dataset but for its values."""
    creation = dataset.id.get_create_plist()
    empty = dataset.id.get_space().get_simple_extent_type() == h5s.NULL
    return {
        "kind": "dataset",
        "shape": None if empty else dataset.shape,
        "chunks": dataset.chunks,
        "elsewhere": creation.get_layout() == h5d.VIRTUAL or bool(creation.get_external_count()),
        "filters": [creation.get_filter(i)[::2] for i in range(creation.get_nfilters())],
        "has_fill_value": creation.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED,
        "stored": dataset.id.get_storage_size(),
        "offset": dataset.id.get_offset(),
        "type": _type(dataset.id),
    }


def _address_bytes(owner: h5d.DatasetID | h5a.AttrID) -> int:
    """Return the size of a place in the file."""
    return int(h5i.get_file_id(owner).get_create_plist().get_sizes()[0])


def _is_small(type_: dict[str, Any], count: int) -> bool:
    """Whether so many values of a type that NumPy has are few enough to be handed on."""
    if type_["text"] is not None:
        return count <= MOST_TEXTS
    known = type_["numpy"] is not None and not type_["numpy"].endswith("O")
    return known and count * type_["size"] <= MOST_BYTES


def _type(owner: h5d.DatasetID | h5a.AttrID) -> dict[str, Any]:
    """Return what a type is in HDF5, and NumPy's, or None for one that NumPy does not have."""
    stored = owner.get_type()
    said = {
        "class": _CLASSES.get(stored.get_class(), "other"),
        "size": stored.get_size(),
        "stored_size": stored.get_size(),
        "numpy": None,
        "text": None,
        "fields": None,
        "plain": False,
        "shown": "",
    }
    try:
        dtype = stored.dtype
    except TypeError:
        return said
    text = h5py.check_string_dtype(dtype)
    said |= {"numpy": dtype.str, "shown": str(dtype)[:200]}
    said["text"] = text and list(text)
    said["fields"] = _fields(dtype)
    if text and text.length is None:
        said["stored_size"] = LENGTH_AND_INDEX_BYTES + _address_bytes(owner)
    plain = dtype.kind in "biufS"  # not what points elsewhere, as text of any length
    said["plain"] = plain and bool(stored.equal(h5t.py_create(dtype, logical=True)))
    return said


def _fields(dtype: np.dtype[Any]) -> list[list[object]] | None:
    """Return name, type, shape and place of each field of a record; None where it is none.

    A record with a field that points elsewhere cannot be handed on.
    """
    if dtype.fields is None or dtype.hasobject:
        return None
    fields = [(name, *dtype.fields[name][:2]) for name in dtype.names or ()]
    return [[name, kind.base.str, list(kind.shape), place] for name, kind, place in fields]


def _handed(values: NDArray[Any]) -> Said:
    """Return values as bytes, and of text of any length how long each is."""
    if values.dtype.kind != "O":
        return None, np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    cells = [_cell(cell) for cell in values.reshape(-1).tolist()]
    return list(map(len, cells)), b"".join(cells)


def _cell(cell: object) -> bytes:
    """Return a text as it is stored; 0 stands for one that was never written."""
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogateescape")
    return cell if isinstance(cell, bytes) else b""
