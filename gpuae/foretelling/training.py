"""What a training will take: all that comes before and after its steps is done once, without any.

The steps are foretold from some that change nothing. Memory is what the process has held by then,
and what is allocated in training by rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gpuae.backends import get_ops
from gpuae.config import Config
from gpuae.foretelling.foretold import Foretold
from gpuae.memory import peak_memory, resident_memory
from gpuae.model.model import HISTORY_BYTES, Model
from gpuae.storage.kinds.model_file import fill
from gpuae.storage.outputs.hdf5_image import image_with_hash
from gpuae.training.calibrating import fit_calibrated
from gpuae.training.deadline import TimeOver
from gpuae.training.fitting import Fit
from gpuae.training.footprint import bytes_needed
from gpuae.training.history import Silence, SoFar
from gpuae.training.preparation import Prepared
from gpuae.training.speed import Speed, measure
from gpuae.training.thread_team import EVALUATION_ROWS
from gpuae.verdict import judge

FILE_COPIES = 3
"""Of a model beside one another while it is written: its arrays, the file, and its bytes."""


@dataclass(frozen=True)
class _Training:
    """Epochs of a network on so many rows; with `trim` a fit has two of them."""

    config: Config
    rows: int

    @property
    def folds(self) -> int:
        return int(self.config.folds or 1)

    @property
    def epochs(self) -> int:
        return int(self.config.resolved("epochs"))

    def may_stop_early(self, held_out: int) -> bool:
        unseen = held_out > 0 or self.folds > 1
        return bool(self.config.full_batch or (self.config.patience and unseen))

    def seconds(self, speed: Speed, held_out: int) -> float:
        """Return how long all epochs take."""
        return self.epochs * speed.epoch(self.rows, held_out, self.folds)


class _Onlooker(Silence):
    """Lets trainings begin, hears of what they would be, and ends each before its first step."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self.trainings: list[_Training] = []
        self.memory = self.file = 0

    def note(self, message: str) -> None:
        """Pass it on."""
        self._note(message)

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Remember what would be trained."""
        self.trainings.append(_Training(config, rows))

    def ready(self, model: Model) -> None:
        """Remember what is held before training, and make the file that takes its room."""
        self.memory = resident_memory()
        self.file = _file_bytes(model)

    def between_steps(self, so_far: SoFar) -> None:
        """End it here."""
        raise TimeOver


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
    onlooker = _Onlooker(note)
    fitted = fit_calibrated(x, config, observer=onlooker, ready=onlooker.ready, **options)
    judge(fitted)
    file = _file_bytes(fitted.model)
    gone = time.perf_counter() - began
    held_out, last = len(fitted.unseen), onlooker.trainings[-1]
    speed = _speed(fitted)
    steps = sum(own.seconds(speed, held_out) for own in onlooker.trainings)
    return Foretold(
        seconds=gone + steps,
        memory=max(peak_memory(), onlooker.memory + _allocated(fitted, last, file)),
        output=file + HISTORY_BYTES * last.epochs,
        epochs=last.epochs,
        may_stop_early=last.may_stop_early(held_out),
    )


def _speed(fitted: Fit) -> Speed:
    """Measure steps of the network that was to be trained last."""
    model = fitted.model
    own = Prepared(model.config, model.preprocess)
    ops = get_ops(fitted.device, model.config.precision)
    return measure(ops, model.network, own, fitted.x, fitted.rows, fitted.unseen)


def _allocated(fitted: Fit, training: _Training, file: int) -> int:
    """Return the bytes that training needs at most, or else writing a file of so many."""
    config = training.config
    held = (config.batch_size or training.rows) + EVALUATION_ROWS
    trained = training.folds * bytes_needed(fitted.model.network, config, held)
    return int(max(trained, FILE_COPIES * file))


def _file_bytes(model: Model) -> int:
    """Return how many bytes a file of a model has."""
    return len(image_with_hash(lambda file: fill(file, model.contents())))
