"""What a command will take, foretold before it is begun: time, memory, and the size of its output.

Time is that of the way to the first step, which is gone, and of some steps that change nothing.
Memory is what the process holds by then, and what is allocated after that by rule. Nothing is
written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.config import Config
from gpuae.encoding import encode, layer_index, row_errors
from gpuae.machine import Machine
from gpuae.memory import available_memory, peak_memory, resident_memory
from gpuae.model.calibration import MOST_CELLS, MOST_SCORES
from gpuae.model.missing import filled_once
from gpuae.model.model import HISTORY_BYTES, Model
from gpuae.storage.kinds.model_file import fill
from gpuae.storage.outputs.endings import DELIMITERS
from gpuae.storage.outputs.hdf5_image import image_with_hash
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.row_blocks import blocks
from gpuae.training.calibrating import fit_calibrated
from gpuae.training.footprint import bytes_needed
from gpuae.training.held_out import MEASURED_ROWS
from gpuae.training.history import Silence
from gpuae.training.preparation import Prepared
from gpuae.training.speed import measure
from gpuae.training.thread_team import EVALUATION_ROWS

MATRICES = 9
"""Of float64, beside one another while it is measured how rows score."""
PASSES = 5
"""That the rows measured at the end make through the network, about."""
FILE_COPIES = 3
"""Of a model beside one another while it is written: its arrays, the file, and its bytes."""
FILE_BYTES = 10_000
"""Of a file that are neither codes nor labels, about."""
WRITTEN_A_SECOND = 5e8
"""Bytes that are written and hashed, about."""
FORMATTED = 100
"""Rows whose codes are written as text to know how long that is."""
ENCODED_SECONDS, FEWEST_ENCODED = 0.5, 2048
"""Rows are encoded for so long, and at least so many, to know how long all of them take."""


@dataclass(frozen=True)
class Foretold:
    """What a command will take.

    Attributes
    ----------
    seconds
        In all; at most, where training may stop early.
    memory
        Bytes that are resident at most.
    output
        Bytes of the file.
    epochs
        Of training; 0 where nothing is trained.
    may_stop_early
        Whether there may be fewer.
    """

    seconds: float
    memory: int
    output: int
    epochs: int = 0
    may_stop_early: bool = False

    @property
    def fits(self) -> bool:
        """Whether this machine has the memory now."""
        return self.memory <= available_memory() + resident_memory()


class _Begun(Exception):  # noqa: N818 it is no error
    """Training could begin.

    Parameters
    ----------
    model
        That it would begin with.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model


class _Ear(Silence):
    """Hears how many rows would be trained on, and passes on what is remarked."""

    rows = 0

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def note(self, message: str) -> None:
        """Pass it on."""
        self._note(message)

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Remember how many."""
        self.rows = rows


@dataclass(frozen=True)
class _Training:
    """A training that could begin, on so many rows of x, with so many held out."""

    model: Model
    x: NDArray[Any]
    rows: int
    held_out: int

    @property
    def config(self) -> Config:
        return self.model.config

    @property
    def folds(self) -> int:
        return int(self.config.folds or 1)

    @property
    def epochs(self) -> int:
        return int(self.config.resolved("epochs"))

    @property
    def may_stop_early(self) -> bool:
        unseen = self.held_out > 0 or self.folds > 1
        return bool(self.config.full_batch or (self.config.patience and unseen))

    @property
    def scored(self) -> int:
        """How many rows are measured at the end."""
        most = max(1, min(MOST_SCORES, MOST_CELLS // self.x.shape[1]))
        return int(min(most, self.held_out or self.rows))

    def seconds(self) -> tuple[float, float]:
        """Return how long the epochs and what is measured after them take.

        And what finding this out has taken that training does not take.
        """
        ops = get_ops(resolve_device(self.config.device), self.config.precision)
        own = Prepared(self.config, self.model.preprocess)
        numbers = np.arange(len(self.x))
        rows, held_out = numbers[: self.rows], numbers[len(numbers) - self.held_out :]
        speed = measure(ops, self.model.network, own, self.x, rows, held_out)
        trained = self.epochs * speed.epoch(self.rows, self.held_out, self.folds)
        passed = _seconds_a_row(self.model, self.x)
        return trained + PASSES * self.scored * passed, speed.measuring

    def memory(self, file: int) -> int:
        """Return the bytes that are needed at most from here on, with a file of so many."""
        held = (self.config.batch_size or self.rows) + EVALUATION_ROWS
        trained = self.folds * bytes_needed(self.model.network, self.config, held)
        some = min(MEASURED_ROWS, self.held_out or self.rows)
        measured = MATRICES * some * self.x.shape[1] * 8
        return int(max(trained, FILE_COPIES * file, measured))


def foretell_fit(
    x: NDArray[Any],
    config: Config,
    note: Callable[[str], None],
    began: float,
    **options: Any,
) -> Foretold:
    """Foretell what training on the rows of x (n, d) takes.

    Parameters
    ----------
    note
        Is told what the data give reason to remark.
    began
        When the command did, by `time.perf_counter`.
    options
        As `fit_calibrated` takes them.

    Raises
    ------
    ConfigError, InputError
        As `fit_calibrated` does.
    """
    ear = _Ear(note)
    own = _training(x, config, ear, options)
    before = resident_memory()
    seconds, measuring = own.seconds()
    gone = time.perf_counter() - began - measuring
    file = _file_bytes(own.model) + HISTORY_BYTES * own.epochs + 8 * own.scored
    times = 2 if config.trim else 1
    return Foretold(
        seconds=gone + times * seconds,
        memory=max(peak_memory(), before + own.memory(file)),
        output=file,
        epochs=own.epochs,
        may_stop_early=own.may_stop_early,
    )


def _training(x: NDArray[Any], config: Config, ear: _Ear, options: Mapping[str, Any]) -> _Training:
    """Go all the way to the first step, and no further."""

    def stop(model: Model) -> None:
        raise _Begun(model)

    try:
        fit_calibrated(x, config, observer=ear, ready=stop, **options)
    except _Begun as begun:
        model = begun.model
    else:
        raise RuntimeError("a training did not say that it could begin")
    validation = options.get("validation")
    held_out = len(x) - ear.rows if validation is None else min(len(validation), len(x))
    if (model.config.folds or 1) > 1:
        held_out = 0
    return _Training(model, filled_once(x, model.preprocess.fill), ear.rows, held_out)


def _file_bytes(model: Model) -> int:
    """Return how many bytes a file of a model has."""
    return len(image_with_hash(lambda file: fill(file, model.contents())))


def _seconds_a_row(model: Model, x: AnyRows) -> float:
    """Return how long a row takes through the network, once everything is compiled."""
    machine = Machine(model.config.device, model.config.threads)
    some = next(iter(blocks(x, multiple=1)))[1][:FEWEST_ENCODED]
    for _ in range(2):
        began = time.perf_counter()
        row_errors(model, some, lambda *_: None, machine=machine)
    return (time.perf_counter() - began) / len(some)


def foretell_encode(
    model: Model, data: Dataset, output: Path, layer: int | None, machine: Machine, began: float
) -> Foretold:
    """Foretell what writing the codes of rows takes, beside their labels and ids.

    Parameters
    ----------
    output
        Whose ending says what is written.
    layer, machine
        As `gpuae.encoding.encode` takes them.
    began
        When the command did, by `time.perf_counter`.
    """
    x, gone = data.x, time.perf_counter() - began
    row, text = _encoded(model, x, layer, machine)
    units = model.network.layers[layer_index(model, layer)].n_out
    in_text = output.suffix.lower() in DELIMITERS
    cells = text if in_text else 4 * units
    beside = [own for own in (data.metadata.y, data.metadata.row_id) if own is not None]
    size = (
        round(len(x) * cells)
        + FILE_BYTES * (not in_text)
        + sum(np.asarray(own).nbytes for own in beside)
    )
    seconds = gone + len(x) * row + size / WRITTEN_A_SECOND
    return Foretold(seconds=seconds, memory=peak_memory(), output=size)


def _encoded(model: Model, x: AnyRows, layer: int | None, machine: Machine) -> tuple[float, float]:
    """Return the seconds that a row takes, read and encoded, and the characters of its codes."""
    codes: list[NDArray[Any]] = []
    spent, done, warm = 0.0, 0, False
    began = time.perf_counter()
    for _, rows in blocks(x, multiple=FEWEST_ENCODED):
        if not warm:  # what comes before a first block is encoded includes compiling
            encode(
                model,
                rows[:FEWEST_ENCODED],
                lambda _, own: codes.append(own.copy()),
                layer=layer,
                machine=machine,
            )
            began, warm = time.perf_counter(), True
        encode(model, rows, lambda *_: None, layer=layer, machine=machine)
        spent, done = time.perf_counter() - began, done + len(rows)
        if spent > ENCODED_SECONDS:
            break
    cells = codes[0].astype(np.float32)[:FORMATTED]
    characters = sum(len(str(value)) + 1 for value in cells.ravel())
    return spent / done, characters / len(cells)
