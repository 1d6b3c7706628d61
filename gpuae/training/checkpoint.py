"""When checkpoints are written, and whether one belongs to a run that is to go on."""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from gpuae.backends.ops import Array
from gpuae.errors import ConfigError, GpuaeError, InputError, OutputError
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.locked_file import held
from gpuae.storage.files.output_file import check_output
from gpuae.storage.kinds.checkpoint_file import read_checkpoint, write_checkpoint
from gpuae.storage.kinds.model_contents import ModelContents
from gpuae.storage.provenance.lineage import Record
from gpuae.training.history import Observer
from gpuae.training.state import State
from gpuae.training.trainer import Build, TrainingResult

_INTERVAL = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(s|min|h|epochs?)")
_LENGTH = ("epochs", "patience")
"""Settings that may be others, where no step before depends on them."""
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Interval:
    """How often checkpoints are written: every so many seconds, or epochs."""

    seconds: float | None = 300.0
    epochs: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `90s`, `5min`, `1h` or `10epochs`.

        Raises
        ------
        ConfigError
            For anything else, and for none at all.
        """
        found = _INTERVAL.fullmatch(text)
        if found is None or not float(found[1]):
            shown = repr(text[:40])
            raise ConfigError(f"checkpoint-every: needs 90s, 5min, 1h or 10epochs, not {shown}")
        if found[2] in _SECONDS:
            return cls(float(found[1]) * _SECONDS[found[2]])
        if not found[1].isdecimal():
            raise ConfigError(f"checkpoint-every: needs whole epochs, not {text[:40]!r}")
        return cls(None, int(found[1]))


@dataclass(frozen=True)
class Begun:
    """A run to go on with: the epochs that it was to have, and the seconds that it has taken."""

    epochs: int
    seconds: float


@dataclass(frozen=True)
class Checkpoints:
    """Where checkpoints are written, how often, and whether to go on from the one that is there."""

    path: Path
    every: Interval = Interval()
    resume: bool = False
    force: bool = False
    """Whether one that is there may be overwritten when it is not gone on from."""

    def check(self) -> None:
        """Refuse a name that cannot be written to, before any work is done.

        Raises
        ------
        OutputError
            Also when a checkpoint is there that would be overwritten.
        """
        if self.path.is_file() and not (self.resume or self.force):
            raise OutputError(
                f"{self.path}: exists already; give --resume to go on from it (in Python "
                "resume=True), --force to replace it, or another name"
            )
        check_output(self.path, force=True)

    def held(self) -> AbstractContextManager[None]:
        """Keep other runs from this checkpoint for as long as the block lasts.

        Raises
        ------
        OutputError
            When another one has it.
        """
        return held(self.path)

    def begun(self) -> Begun | None:
        """Return how the run to go on with was begun; None where there is none.

        Raises
        ------
        InputError
            When the checkpoint cannot be read.
        """
        if not (self.resume and self.path.is_file()):
            return None
        contents, state = read_checkpoint(InputFile(self.path))
        past = sum(contents.history.get("seconds", ())) + float(state["seconds"])
        return Begun(contents.config.resolved("epochs"), float(past))

    def load(self, own: Model) -> State | None:
        """Return the state to go on from; None where there is none, or none is wanted.

        Parameters
        ----------
        own
            The model that this run begins with.

        Raises
        ------
        InputError
            When the checkpoint cannot be read or is of another run.
        OutputError
            When there is one and it would be overwritten.
        """
        self.check()
        if not (self.resume and self.path.exists()):
            return None
        contents, state = read_checkpoint(InputFile(self.path))
        done, wanted = len(contents.history.get("epoch", ())), own.config.resolved("epochs")
        if difference := _difference(own, contents):
            raise InputError(
                f"{self.path}: is of another run: {difference}; give the same, or leave --resume "
                "out and name another checkpoint"
            )
        if done > wanted:
            raise ConfigError(
                f"epochs: {self.path} has {done} epochs done and epochs={wanted} asks for fewer; "
                f"give {done} or more, or leave --resume out and name another checkpoint"
            )
        return state


class CheckpointSaver:
    """A `Saver` that writes checkpoints."""

    def __init__(self, plan: Checkpoints, build: Build, observer: Observer) -> None:
        self._plan, self._build, self._observer = plan, build, observer
        self._written: tuple[float, int] | None = None
        """When the last one was, and after how many epochs."""
        self._further: State = {}

    def start_stage(self, build: Build, further: State) -> None:
        """Save another stage of training from now on, whose epochs are counted anew.

        Parameters
        ----------
        further
            What is to be kept beside the state.
        """
        self._build, self._further = build, further
        if self._written is not None:
            self._written = (self._written[0], 0)

    def due(self, epochs: int) -> bool:
        """Whether it is time to; at first it is, which shows that it can be done."""
        if self._written is None:
            return True
        when, then = self._written
        every = self._plan.every
        if every.epochs is not None:
            return epochs - then >= every.epochs
        return every.seconds is not None and time.monotonic() - when >= every.seconds

    def save(self, kept: Array, result: TrainingResult, state: State) -> bool:
        """Write a checkpoint and return whether it could be.

        If a later one than the first cannot be, training goes on all the same.

        Raises
        ------
        OutputError
            When the first one cannot be written.
        """
        first = self._written is None
        self._written = (time.monotonic(), len(result.history.records))
        try:
            contents = self._build(result, kept).contents()
            write_checkpoint(self._plan.path, contents, {**state, **self._further})
        except (GpuaeError, OSError, RuntimeError, MemoryError) as error:
            if first:
                raise
            self._observer.note(f"{error}; the checkpoint before it is still there")
            return False
        return True


def _difference(own: Model, saved: ModelContents) -> str | None:
    """Return in what a checkpoint is not of the same run; None where it is."""
    here, there = own.config.stored(), saved.config.stored()
    for name in sorted(here.keys() | there.keys()):
        if name in _LENGTH and own.config.schedule not in ("cosine", "warmup_cosine"):
            continue
        if here.get(name) != there.get(name):
            return f"it has {name}={there.get(name)} and this one has {here.get(name)}"
    for name, what in (("source_sha256", "data"), ("device", "device"), ("gpu", "GPU")):
        if own.attributes.get(name) != saved.attributes.get(name):
            return f"its {what} ({saved.attributes.get(name)}) is not {own.attributes.get(name)}"
    if _origin(own) != _origin(saved):
        return "its rows, their weights, columns, validation data or first weights were others"
    for name, values in own.preprocess.arrays().items():
        if not np.array_equal(values, saved.preprocess[name]):
            return f"its data gave another {name} in scaling"
    return None


def _origin(model: Model | ModelContents) -> tuple[object, ...]:
    """Return what a model is trained on and begins with, whatever the files are called."""
    made = Record.of(model.attributes, "the model")
    sources = {(source.role, source.inner, source.sha256) for source in made.sources}
    return made.options, sources, model.feature_names
