"""Groups and datasets of an HDF5 file, as whoever answers for the file describes them.

The file may be a hostile one, and HDF5 with it in another process: the form of what is said is
checked, and the program itself reads nothing through HDF5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.hdf5.described import (
    Attribute,
    Type,
    attribute_of,
    natural,
    naturals,
    received,
)

Answer: TypeAlias = Callable[[list[Any]], tuple[Any, Any]]
"""Answers a question of `answers.Answers`; EOFError where nobody does any more."""
Item: TypeAlias = "Group | Dataset"
Box: TypeAlias = tuple[slice, ...]
"""Start and stop in each dimension, step 1."""

MARKED_OPEN = "clear file consistency flags"
"""What HDF5 says of a file that somebody writes to for readers, or did not close."""
ADVICE = "copy it or make it again"


class File:
    """An HDF5 file that somebody answers for.

    Parameters
    ----------
    descriptor
        Of the file, open for reading; None where its values can only be asked for.
    """

    def __init__(self, path: Path, answer: Answer, descriptor: int | None = None) -> None:
        self.path, self.descriptor = path, descriptor
        self._answer = answer

    def where(self, inner: str) -> str:
        """Return what messages call the object at `inner`, and what opens it as DATA."""
        return f"{self.path}::/{inner.strip('/')}"

    @cached_property
    def root(self) -> Group:
        """The group that holds all others."""
        said, _ = self.ask(str(self.path), "root")
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

    def ask(self, where: str, *question: object) -> tuple[Any, Any]:
        """Return what is said to a question, and bytes.

        Raises
        ------
        InputError
            When HDF5 has failed, or the process in which it reads has ended.
        """
        try:
            answer, raw = self._answer(list(question))
        except EOFError:
            raise InputError(
                f"{where}: is damaged so that HDF5 crashes or does not come to an end in reading "
                f"it; {ADVICE}"
            ) from None
        with self.as_described(where):
            if "said" in answer:
                return answer["said"], raw
        raise self._failure(where, answer)

    @contextmanager
    def as_described(self, where: str) -> Iterator[None]:
        """Turn what a description of another form raises into an InputError."""
        try:
            yield
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"{where}: is damaged, its description is none; {ADVICE}") from None

    def _failure(self, where: str, answer: dict[str, Any]) -> InputError:
        reason = str(answer.get("reason", ""))
        if answer.get("failed") == "memory":
            return InputError(f"{where}: takes too much memory to be read; {limits.ADVICE}")
        if MARKED_OPEN in reason:
            return InputError(
                f"{self.path}: is marked as open for writing; close the program that writes to it, "
                f"or if that ended without closing it, h5clear -s {self.path} takes the mark away"
            )
        return InputError(
            f"{where}: cannot be read, it is damaged or cut short ({reason}); {ADVICE}"
        )


class Node:
    """What groups and datasets have in common."""

    def __init__(self, file: File, path: str, said: Any) -> None:
        self.file, self.path = file, path
        self._number, self.address = natural(said["number"]), natural(said["address"])
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
            count, names = said
            return natural(count), [name if isinstance(name, str) else None for name in names]

    def _ask(self, question: str, *given: object) -> tuple[Any, bytearray]:
        return self.file.ask(self.where, question, self._number, *given)


class Group(Node):
    """A group of an HDF5 file."""

    def __init__(self, file: File, path: str, said: Any) -> None:
        super().__init__(file, path, said)
        self._children: dict[str, Item | None] = {}

    def names(self, most: int) -> tuple[int, list[str | None]]:
        """Return how many names there are in it, and the first; None for one not UTF-8."""
        return self._names("links", most)

    def child(self, name: str) -> Item | None:
        """Return what a hard link leads to; None where there is none.

        Raises
        ------
        InputError
            When it is a soft or external link, neither group nor dataset, or cannot be read.
        """
        if name not in self._children:
            path = f"{self.path.rstrip('/')}/{name}"
            said, _ = self.file.ask(self.file.where(path), "child", self._number, name)
            self._children[name] = None if said is None else _item(self.file, path, said)
        return self._children[name]


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
        self.is_empty = said["shape"] is None
        self.shape = naturals(said["shape"] or ())
        self.chunks = None if said["chunks"] is None else naturals(said["chunks"])
        self.type = Type.of(said["type"])
        self.is_elsewhere, self.has_fill_value = bool(said["elsewhere"]), said["has_fill_value"]
        self.filters = tuple(
            (natural(number), naturals(given)) for number, given in said["filters"]
        )
        self.stored = natural(said["stored"])
        self.offset = None if said["offset"] is None else natural(said["offset"])
        if self.chunks is not None and (len(self.chunks) != self.ndim or 0 in self.chunks):
            raise ValueError

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

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

    def values(self, box: Box) -> NDArray[Any]:
        """Return the values in a box, as HDF5 reads and converts them; text as bytes."""
        starts, stops = [part.start for part in box], [part.stop for part in box]
        said, raw = self._ask("values", starts, stops)
        shape = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
        with self.file.as_described(self.where):
            return received(self.dtype, shape, said, raw)

    @cached_property
    def chunk_places(self) -> NDArray[np.int64]:
        """Of each chunk (m, dimensions + 3) its first index, offset, size and skipped filters."""
        said, raw = self._ask("chunk_places")
        with self.file.as_described(self.where):
            return np.frombuffer(raw, "<i8").reshape(natural(said), self.ndim + 3)


def _item(file: File, path: str, said: Any) -> Item:
    with file.as_described(file.where(path)):
        kind = said["kind"]
        if kind in ("group", "dataset"):
            return Group(file, path, said) if kind == "group" else Dataset(file, path, said)
    if kind == "link":
        raise InputError(
            f"{file.where(path)}: is a soft or external link, which is not followed; "
            "give the path that it points to, or copy the data into this file"
        )
    raise InputError(f"{file.where(path)}: is neither a group nor a dataset; remove it")
