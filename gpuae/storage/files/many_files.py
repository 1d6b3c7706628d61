"""Files that are used as one input, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpuae.storage.files.input_file import Input, first_changed


@dataclass(frozen=True)
class Part:
    """One of several files, and what in it is used."""

    file: Input
    inner: str | None = None
    """The path in it, where one was given."""

    @property
    def spec(self) -> str:
        """What a person calls it."""
        return str(self.file.path) if self.inner is None else f"{self.file.path}::{self.inner}"


class ManyFiles:
    """Several files as one input.

    Parameters
    ----------
    path
        What messages call them: a pattern, a folder, or the first and the last.
    parts
        In the order in which they are used; at least one.
    """

    def __init__(self, path: Path, parts: Sequence[Part]) -> None:
        self.path, self.parts = path, tuple(parts)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def inner(self) -> str | None:
        """The path in them, where it is the same in all."""
        found = {part.inner for part in self.parts}
        return found.pop() if len(found) == 1 else None

    @property
    def name(self) -> str:
        """The first and the last, which does not depend on how they were named."""
        return name_of([part.file.name for part in self.parts])

    @property
    def size(self) -> int:
        """Of all together, in bytes."""
        return sum(part.file.size for part in self.parts)

    @property
    def sha256(self) -> str:
        """Of their list as `sha256sum` writes it, a line each, in the order of their use."""
        return digest_of_list((part.file.sha256, part.file.name) for part in self.parts)

    @property
    def changed(self) -> Path | None:
        """Which file is not what it was; None where all are."""
        return first_changed(*(part.file for part in self.parts))


def name_of(names: Sequence[str]) -> str:
    """Return what several files are called together."""
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def digest_of_list(files: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of a list of hashes and names, as `sha256sum` writes it."""
    listed = hashlib.sha256()
    for digest, name in files:
        listed.update(f"{digest}  {name}\n".encode("utf-8", "surrogateescape"))
    return listed.hexdigest()
