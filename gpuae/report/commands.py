"""The commands that make a model again, from what its file says of its making."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpuae.config import Config
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.model import Model
from gpuae.report.contents import Link, Origin
from gpuae.report.subject import Subject
from gpuae.report.training import plain
from gpuae.storage.provenance.lineage import SHOWN_DIGITS, Record, SourceFile

OF_FILES = ("validation_data", "init_from", "labels")
"""Roles of sources that are options of a command, by the same names."""
SWITCHES = {
    ("header", "yes"): "--header",
    ("header", "no"): "--no-header",
    ("grey", "yes"): "--grey",
}
LOST = ("columns_sha256",)
"""Options of which only a hash is kept."""
SAID_ALREADY = ("preset",)
"""Options whose meaning is in the settings, which are told one by one."""


def origin(subject: Subject) -> Origin:
    """Return where a model comes from."""
    record, name = subject.record, subject.file.name
    writer = _Writer()
    commands = tuple(writer.commands(record, name, _own_settings(subject.model)))
    return Origin(_link(record, name), commands, tuple(dict.fromkeys(writer.gaps)))


def _own_settings(model: Model) -> Mapping[str, Any]:
    """Return the settings that the last command was given, beside those of its sources."""
    if model.classification is not None:
        return _told(FinetuneConfig, model.classification.config.stored())
    return _told(Config, model.config.stored())


def _told(kind: type[Config] | type[FinetuneConfig], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored settings that differ from their defaults."""
    known = kind.model_fields
    return {
        name: value
        for name, value in stored.items()
        if name in known and value != known[name].default
    }


def _link(record: Record, name: str) -> Link:
    return Link(f"{name}: {record.heading()}", tuple(map(_source, record.sources)))


def _source(source: SourceFile) -> Link:
    digest = f"SHA-256 {source.sha256[:SHOWN_DIGITS]}…" if source.sha256 else "built in"
    inner = "" if source.inner is None else f"::{source.inner}"
    made = f", made by {source.made.heading()}" if source.made else ""
    cut = ", made from more than is told here" if source.cut else ""
    own = tuple(map(_source, source.made.sources)) if source.made else ()
    return Link(f"{source.role} {source.name}{inner} ({digest}){made}{cut}", own)


@dataclass
class _Writer:
    """Writes commands, the first ones first, and collects what they cannot say."""

    gaps: list[str] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)

    def commands(
        self, record: Record, output: str, settings: Mapping[str, Any] | None = None
    ) -> Iterator[str]:
        """Yield what makes the sources of a file, then what makes it."""
        for source in record.sources:
            if source.cut:
                self.gaps.append(f"how {source.name} was made is not kept")
            if source.made is not None:
                yield from self.commands(source.made, source.name)
        command = self._command(record, output, settings)
        if command is not None and command not in self._done:
            self._done.add(command)
            yield command

    def _command(
        self, record: Record, output: str, settings: Mapping[str, Any] | None
    ) -> str | None:
        name = record.command
        if name is None:
            self.gaps.append(f"{output} does not say what made it")
            return None
        if "." in name or not record.sources:
            self.gaps.append(
                f"{output} was made in Python ({name}) of rows that left no trace, with the "
                "settings above"
            )
            return None
        told = settings if settings is not None else _told(Config, record.settings)
        if name == "finetune" and settings is None:
            self.gaps.append(f"the settings with which {output} was finetuned are not kept here")
        given = told if name == "fit" or (settings is not None and name == "finetune") else {}
        words = ["gpuae", name, *self._inputs(record), *self._output(name, output)]
        words += [*self._files(record), *self._options(record), *_options_of(given)]
        return shlex.join(words)

    def _inputs(self, record: Record) -> Iterator[str]:
        """Yield the sources that have a place of their own: the model before the data."""
        own = [source for source in record.sources if source.role not in OF_FILES]
        for source in sorted(own, key=lambda source: not source.role.startswith("model")):
            yield source.name if source.inner is None else f"{source.name}::{source.inner}"

    def _output(self, command: str, output: str) -> tuple[str, ...]:
        return (output,) if command == "convert" else ("-o", output)

    def _files(self, record: Record) -> Iterator[str]:
        for source in record.sources:
            if source.role in OF_FILES:
                inner = "" if source.inner is None else f"::{source.inner}"
                yield from (f"--{source.role.replace('_', '-')}", f"{source.name}{inner}")

    def _options(self, record: Record) -> Iterator[str]:
        for name, value in record.options.items():
            if name in LOST:
                self.gaps.append(f"its list of columns is too long to be kept: only its {name} is")
            elif (name, value) in SWITCHES:
                yield SWITCHES[name, str(value)]
            elif name not in SAID_ALREADY:
                yield from _options_of({name: value})


def _options_of(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        text = plain(value)
        option = f"--{name.replace('_', '-')}"
        yield from (f"{option}={text}",) if text.startswith("-") else (option, text)
