"""What made a file: the command, its options, its sources, and what made each of these in turn.

This is in the root attribute `provenance_json`, without times and folders, so that the same command
on the same files gives the same text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import from_json

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.file_format import Attribute
from gpuae.storage.files.input_file import Input, InputFile
from gpuae.storage.files.many_files import ManyFiles
from gpuae.storage.hdf5 import opening, reading

OWN_ATTRIBUTES = ("kind", "created_by", "seed", "device", "gpu")
"""Root attributes of a file that the record of a file made from it repeats."""
SHOWN_DIGITS = 12
SHOWN_PARTS, MOST_PARTS = 8, 256
"""Of several files that are used as one: those that a person is shown, and those that are kept."""
DEEPEST = 32
"""Levels of sources that are kept: readers of JSON limit how deep it may nest."""
LONGEST_OPTION = 1000
"""Characters of an option that are kept; a longer one is cut, and its hash is added."""


class SourceFile(BaseModel):
    """A file, or built-in data, that another one was made from."""

    model_config = ConfigDict(frozen=True)

    role: str
    """What it was used as: `data`, `model`, `labels`, `init_from` and so on."""
    name: str
    """Its name without the folder."""
    inner: str | None = None
    """The path in it, where one was given."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """Of the whole file; None for built-in data, and for a file that changed while it was used."""
    made: Record | None = None
    """What made it; of gpuae's own files only."""
    parts: tuple[SourceFile, ...] = ()
    """The files that were used as one, in that order; `sha256` is that of their list."""
    cut: bool = False
    """Whether what made it, or some of its parts, were left out, since the record was too long or
    too deep."""

    def lines(self, depth: int) -> Iterator[str]:
        """Yield it and what made it, for a person."""
        name = self.name if self.inner is None else f"{self.name}::{self.inner}"
        digest = f"{self.sha256[:SHOWN_DIGITS]}…" if self.sha256 else "built in"
        made = f": {self.made.heading()}" if self.made else ""
        yield f"{'  ' * depth}{self.role} {name} ({digest}){made}"
        for part in self.parts[:SHOWN_PARTS]:
            yield from part.lines(depth + 1)
        if len(self.parts) > SHOWN_PARTS:
            yield f"{'  ' * (depth + 1)}…"
        if self.made:
            yield from self.made.source_lines(depth + 1)

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Its parts, or itself where it has none."""
        return self.parts or (self,)


class Record(BaseModel):
    """What made a file."""

    model_config = ConfigDict(frozen=True)

    command: str | None = None
    options: dict[str, JsonValue] = {}
    """Those that decide the result and are not among the settings."""
    sources: tuple[SourceFile, ...] = ()
    kind: str | None = None
    """Of the file, as are the next ones: the file itself has them in other attributes."""
    created_by: str | None = None
    seed: int | None = None
    device: str | None = None
    gpu: str | None = None
    settings: dict[str, JsonValue] = {}

    @classmethod
    def of(cls, attributes: Mapping[str, Any], source: str) -> Self:
        """Return what the root attributes of a file say.

        Raises
        ------
        InputError
            When they are not as the format has them.
        """
        own = {name: attributes.get(name) for name in OWN_ATTRIBUTES}
        try:
            made = _object(attributes.get(file_format.PROVENANCE_JSON, "{}"))
            settings = _object(attributes.get(file_format.CONFIG_JSON, "{}"))
            return cls.model_validate({**made, **own, "settings": settings})
        except (ValidationError, ValueError, RecursionError):
            raise InputError(
                f"{source}: does not say what made it as {file_format.PROVENANCE_JSON}, "
                f"{file_format.CONFIG_JSON}, seed and device must; make or copy it again"
            ) from None

    def to_json(self) -> str:
        """Return it as JSON that an attribute can hold, without the deepest levels if need be."""
        for depth in range(DEEPEST, 0, -1):
            content = self._cut_below(depth)
            text = content._json()
            if len(text) < file_format.ATTRIBUTE_BYTES:
                return text
        whole = tuple(_without_parts(source) for source in content.sources)
        return content.model_copy(update={"sources": whole})._json()

    def _json(self) -> str:
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)

    def _cut_below(self, depth: int) -> Self:
        """Return it with `depth` levels of sources, at least one."""
        cut = tuple(_cut(source, depth - 1) for source in self.sources)
        return self.model_copy(update={"sources": cut})

    def heading(self) -> str:
        """Return what made it in a line."""
        made = f"{self.command}, {self.created_by}" if self.command else self.created_by
        options = {"seed": self.seed, "device": self.device, "gpu": self.gpu, **self.options}
        given = (f"{name} {value}" for name, value in options.items() if value is not None)
        return ", ".join((made or "unknown", *given))

    def source_lines(self, depth: int = 0) -> Iterator[str]:
        """Yield its sources, each followed by its own, two blanks deeper."""
        for source in self.sources:
            yield from source.lines(depth)


def _cut(source: SourceFile, depth: int) -> SourceFile:
    if source.made is None:
        return source
    if depth == 0:
        return source.model_copy(update={"made": None, "cut": True})
    return source.model_copy(update={"made": source.made._cut_below(depth)})


def _without_parts(source: SourceFile) -> SourceFile:
    return source.model_copy(update={"parts": (), "cut": True}) if source.parts else source


def _object(text: object) -> dict[str, Any]:
    value = from_json(str(text).encode())
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")
    return value


def source_file(role: str, file: Input | None, spec: str, known: Sequence[str] = ()) -> SourceFile:
    """Return a file as the source of another one, with what made it, or several as one source.

    Parameters
    ----------
    file
        None for built-in data.
    spec
        What messages call it: the path, and `::inner` where something in it was chosen.
    known
        Its SHA-256, and those of several files after that of their list, or what stands for them;
        without any they are computed.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    if file is None:
        return SourceFile(role=role, name=spec)
    name = file.name.encode("utf-8", "replace").decode()
    inner = spec.removeprefix(str(file.path)).removeprefix("::")
    inside = inner if spec.startswith(f"{file.path}::") else None
    made = made_by(file) if isinstance(file, InputFile) else None
    digest = known[0] if known else file.sha256
    parts = _parts(role, file, known[1:]) if isinstance(file, ManyFiles) else ()
    cut = isinstance(file, ManyFiles) and len(file.parts) > len(parts)
    return SourceFile(
        role=role, name=name, inner=inside, sha256=digest, made=made, parts=parts, cut=cut
    )


def _parts(role: str, files: ManyFiles, known: Sequence[str]) -> tuple[SourceFile, ...]:
    """Return the files that are used as one, or as many of them as an attribute has room for."""
    kept = files.parts[:MOST_PARTS]
    digests: list[Sequence[str]] = [(own,) for own in known[:MOST_PARTS]] or [()] * len(kept)
    return tuple(
        source_file(role, part.file, part.spec, own)
        for part, own in zip(kept, digests, strict=True)
    )


def made_by(file: InputFile) -> Record | None:
    """Return what made a file of gpuae's; None for anyone else's.

    Raises
    ------
    InputError
        When it is damaged.
    """
    if not opening.is_hdf5(file):
        return None
    with opening.opened(file) as opened:
        attributes = reading.root_attributes(opened)
    return Record.of(attributes, str(file)) if file_format.kind_of(attributes) else None


def attributes(
    command: str, sources: Sequence[SourceFile], options: Mapping[str, Attribute] | None = None
) -> dict[str, Attribute]:
    """Return the root attributes that say how a new file is made.

    Parameters
    ----------
    options
        What decides the result and is neither a setting nor a source.
    """
    kept = {name: _shortened(value) for name, value in (options or {}).items()}
    record = Record(command=command, options=kept, sources=tuple(sources))
    hashes = {
        file_format.HASH_OF_ROLE[source.role]: source.sha256
        for source in sources
        if source.role in file_format.HASH_OF_ROLE and source.sha256 is not None
    }
    return {file_format.PROVENANCE_JSON: record.to_json(), **hashes}


def _shortened(value: Attribute) -> Attribute:
    """Return an option that is short enough for the record to fit into an attribute."""
    if not isinstance(value, str) or len(value) <= LONGEST_OPTION:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{value[:LONGEST_OPTION]}… ({len(value)} characters of SHA-256 {digest})"


def unhashed(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Return root attributes without the hashes of the sources, which have changed meanwhile."""
    made = Record.model_validate_json(str(attributes[file_format.PROVENANCE_JSON]))
    gone = {"sha256": None, "parts": ()}
    sources = tuple(source.model_copy(update=gone) for source in made.sources)
    hashes = file_format.HASH_OF_ROLE.values()
    kept = {name: value for name, value in attributes.items() if name not in hashes}
    return {
        **kept,
        file_format.PROVENANCE_JSON: made.model_copy(update={"sources": sources}).to_json(),
    }
