"""Groups and datasets of an HDF5 file, as whoever answers for the file describes them.

The file may be a hostile one, and HDF5 with it in another process: the form of what is said is
checked, and the program itself reads nothing through HDF5.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import OpenFile, version_of
from gpuae.storage.hdf5.described import (
    Attribute,
    FormError,
    Type,
    attribute_of,
    check,
    chunk_places,
    entry,
    filters_of,
    names_of,
    natural,
    received,
    shape_of,
)

Answer: TypeAlias = Callable[[list[Any], memoryview | None], tuple[Any, Any]]
"""Answers a question of `answers.Answers`, with raw bytes in a buffer if one is given that fits.

EOFError where nobody answers any more.
"""
Item: TypeAlias = "Group | Dataset"
Box: TypeAlias = tuple[slice, ...]
"""Start and stop in each dimension, step 1."""

ADVICE = "copy it or make it again"


class TooLargeError(InputError):
    """What takes more memory to be read than there is for it."""


class EndedError(InputError):
    """What made the process end in which HDF5 reads."""


class File:
    """An HDF5 file that somebody answers for.

    Parameters
    ----------
    content
        The file as it is on the disk; None where its values can only be asked for.
    """

    def __init__(self, path: Path, answer: Answer, content: OpenFile | None = None) -> None:
        self.path, self.content = path, content
        self._answer = answer

    @property
    def size(self) -> int:
        """Of the file when it was opened, in bytes."""
        return 0 if self.content is None else self.content.size

    def check_unchanged(self, where: str) -> None:
        """Refuse to go on with a file that somebody has written to since it was opened.

        Raises
        ------
        InputError
            When somebody has.
        """
        if self.content is None:
            return
        if version_of(os.fstat(self.content.descriptor)) != self.content.version:
            raise InputError(f"{where}: has changed while it was read; try again")

    def where(self, inner: str) -> str:
        """Return what messages call the object at `inner`, and what opens it as DATA."""
        return f"{self.path}::/{inner.strip('/')}"

    @cached_property
    def root(self) -> Group:
        """The group that holds all others."""
        said, _ = self.ask(str(self.path), "root", "/")
        found = _item(self, "/", said)
        if not isinstance(found, Group):
            raise InputError(f"{self.path}: is damaged, it has no root; {ADVICE}")
        return found

    def find(self, inner: str) -> Item | None:
        """Return the group or dataset at `inner`; None where a component is missing.

        Raises
        ------
        InputError
            When a component is a soft or external link, or something unreadable.
        """
        found: Item | None = self.root
        for name in (part for part in inner.split("/") if part not in ("", ".")):
            if not isinstance(found, Group):
                return None
            found = found.child(name)
        return found

    def ask(self, where: str, *question: object, into: memoryview | None = None) -> tuple[Any, Any]:
        """Return what is said to a question, and bytes, `into` a buffer if they fit.

        Raises
        ------
        InputError
            When HDF5 has failed, the process in which it reads has ended, or the file has changed.
        """
        try:
            answer, raw = self._answer(list(question), into)
        except EOFError:
            self.check_unchanged(where)
            raise EndedError(
                f"{where}: is damaged so that HDF5 crashes or does not come to an end in reading "
                f"it; {ADVICE}"
            ) from None
        with self.as_described(where):
            check(isinstance(answer, dict))
            if "said" in answer:
                return answer["said"], raw
            failed, reason = entry(answer, "failed"), str(answer.get("reason", ""))
        self.check_unchanged(where)
        raise _failure(where, failed, reason)

    @contextmanager
    def as_described(self, where: str) -> Iterator[None]:
        """Turn what is said in another form than that of an answer into an InputError."""
        try:
            yield
        except FormError:
            raise InputError(f"{where}: is damaged, its description is none; {ADVICE}") from None


def _failure(where: str, failed: Any, reason: str) -> InputError:
    if failed == "memory":
        return TooLargeError(f"{where}: takes too much memory to be read; {limits.ADVICE}")
    return InputError(f"{where}: cannot be read, it is damaged or cut short ({reason}); {ADVICE}")


class Node:
    """What groups and datasets have in common."""

    def __init__(self, file: File, path: str, said: Any) -> None:
        self.file, self.path = file, path
        self.address = natural(entry(said, "address"))
        self._attributes: dict[str, Attribute | None] = {}

    @property
    def where(self) -> str:
        """What messages call it, and what opens it as DATA."""
        return self.file.where(self.path)

    def attribute_names(self, most: int) -> tuple[int, list[str | None]]:
        """Return how many attributes there are, and the first names; None for one not UTF-8."""
        return self._names("attributes", most)

    def attribute(self, name: str) -> Attribute | None:
        """Return an attribute; None where there is none of this name."""
        if name not in self._attributes:
            said, raw = self._ask("attribute", name)
            with self.file.as_described(self.where):
                self._attributes[name] = None if said is None else attribute_of(said, raw)
        return self._attributes[name]

    def _names(self, what: str, most: int) -> tuple[int, list[str | None]]:
        said, _ = self._ask("names", what, most)
        with self.file.as_described(self.where):
            return names_of(said)

    def _ask(self, question: str, *given: object) -> tuple[Any, bytearray]:
        return self.file.ask(self.where, question, self.path, *given)


class Group(Node):
    """A group of an HDF5 file."""

    def __init__(self, file: File, path: str, said: Any) -> None:
        super().__init__(file, path, said)
        self._children: dict[str, Item | None] = {}

    def names(self, most: int) -> tuple[int, list[str | None]]:
        """Return how many names there are in it, and the first; None for one not UTF-8."""
        return self._names("links", most)

    def has(self, name: str) -> bool:
        """Whether there is a link of this name, of any kind."""
        return bool(self.file.ask(self.where, "has", self._below(name))[0])

    def child(self, name: str) -> Item | None:
        """Return what a hard link leads to; None where there is none.

        Raises
        ------
        InputError
            When it is a soft or external link, neither group nor dataset, or cannot be read.
        """
        if name not in self._children:
            path = self._below(name)
            said, _ = self.file.ask(self.file.where(path), "child", path)
            self._children[name] = None if said is None else _item(self.file, path, said)
        return self._children[name]

    def _below(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"


class Dataset(Node):
    """A dataset of an HDF5 file.

    Attributes
    ----------
    shape
        () where it `is_empty` too.
    chunks
        Shape of a chunk; None where the values lie together.
    is_elsewhere
        Whether the values are in other files.
    filters
        Number and options of each, in the order in which they are applied in writing.
    has_fill_value
        Whether a value of its own stands for those that were never written.
    stored
        Bytes that the values take in the file.
    offset
        Where in the file they begin if they lie together; None where that is not known.
    """

    def __init__(self, file: File, path: str, said: Any) -> None:
        super().__init__(file, path, said)
        shape, offset = shape_of(entry(said, "shape")), entry(said, "offset")
        self.is_empty, self.shape = shape is None, shape or ()
        self.chunks = shape_of(entry(said, "chunks"))
        self.type = Type.of(entry(said, "type"))
        self.is_elsewhere = bool(entry(said, "elsewhere"))
        self.has_fill_value = bool(entry(said, "has_fill_value"))
        self.filters = filters_of(entry(said, "filters"))
        self.stored = natural(entry(said, "stored"))
        self.offset = None if offset is None else natural(offset)
        check(self.chunks is None or (len(self.chunks) == self.ndim and 0 not in self.chunks))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def chunk_bytes(self) -> int:
        """Size of one chunk, unpacked."""
        return math.prod(self.chunks or ()) * self.type.stored_size

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the values.

        Raises
        ------
        InputError
            For a type that NumPy does not have.
        """
        if self.type.dtype is None:
            raise InputError(f"{self.where}: is of a type that NumPy does not know; convert it")
        return self.type.dtype

    def values(self, box: Box, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the values in a box, as HDF5 reads and converts them; text as bytes.

        They are put `into` an array where one is given, which has to lie together.
        """
        starts, stops = [part.start for part in box], [part.stop for part in box]
        shape = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
        values = np.empty(shape, self.dtype) if into is None else into
        own = values.dtype.kind == "O"
        view = None if own else values.reshape(-1).view(np.uint8).data
        question = ("values", self.path, starts, stops)
        said, raw = self.file.ask(self.where, *question, into=view)
        if raw is not view:
            with self.file.as_described(self.where):
                values[...] = received(self.dtype, shape, said, raw)
        return values

    @cached_property
    def chunk_places(self) -> NDArray[np.int64]:
        """Of each chunk (m, dimensions + 3) its first index, offset, size and skipped filters."""
        said, raw = self._ask("chunk_places")
        with self.file.as_described(self.where):
            return chunk_places(said, raw, self.ndim)


def _item(file: File, path: str, said: Any) -> Item:
    with file.as_described(file.where(path)):
        kind = entry(said, "kind")
        if kind in ("group", "dataset"):
            return Group(file, path, said) if kind == "group" else Dataset(file, path, said)
    if kind == "link":
        raise InputError(
            f"{file.where(path)}: is a soft or external link, which is not followed; "
            "give the path that it points to, or copy the data into this file"
        )
    raise InputError(f"{file.where(path)}: is neither a group nor a dataset; remove it")
