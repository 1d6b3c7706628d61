"""One run of a sweep: an ordinary training that can be gone on with, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gpuae.errors import DivergedError, GpuaeError, InputError
from gpuae.model.statistics import RowWeights
from gpuae.storage.files.input_file import Input, first_changed
from gpuae.storage.outputs.small_output import SmallOutput
from gpuae.storage.rows.categorical import Categorical
from gpuae.storage.rows.pages import is_in_memory
from gpuae.sweeps.crew import Watcher
from gpuae.sweeps.folder import CHECKPOINT, MODEL, Folder
from gpuae.sweeps.results import Result
from gpuae.sweeps.runs import Run
from gpuae.training.calibrating import fit_calibrated
from gpuae.training.checkpoint import Checkpoints
from gpuae.training.fitting import Fit
from gpuae.verdict import judge


@dataclass(frozen=True)
class Rows:
    """What all runs are trained on.

    Attributes
    ----------
    x
        Rows (n, d), which all runs share.
    attributes
        What models say about their making.
    file
        What rows are read from while runs are made; None where that is no file.
    weights
        How much each row counts (n,); None where all count the same.
    """

    x: NDArray[Any]
    attributes: Mapping[str, str | int | float]
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    file: Input | None = None
    categorical: Categorical = ()
    weights: RowWeights = None

    def check_unchanged(self) -> None:
        """Refuse rows that have changed while a model was trained on them.

        Raises
        ------
        InputError
            Naming the file.
        """
        changed = None if is_in_memory(self.x) else first_changed(self.file)
        if changed is not None:
            raise InputError(
                f"{changed}: has changed while runs were made; give a copy that stays as it is, "
                "and another folder"
            )


@dataclass(frozen=True)
class Trainer:
    """Makes runs.

    Attributes
    ----------
    threads
        Of each run; None: as its settings have it.
    debug
        Whether an error that nobody expects ends the sweep.
    """

    rows: Rows
    folder: Folder
    threads: int | None
    debug: bool = False

    def __call__(self, run: Run, watcher: Watcher) -> Result | None:
        """Make a run, or go on with it; return None where it was stopped."""
        if watcher.stopped:
            return None
        try:
            return self._made(run, watcher)
        except GpuaeError as error:
            return Result.failed(run, str(error))
        except MemoryError:
            return Result.failed(run, "not enough memory; lower hidden or batch_size, or --jobs")
        except OSError as error:
            return Result.failed(run, f"{error.filename or 'the system'}: {error.strerror}")
        except Exception as error:
            if self.debug:
                raise
            told = f"gpuae failed unexpectedly ({type(error).__name__}: {error}); see --debug"
            return Result.failed(run, told)

    def _made(self, run: Run, watcher: Watcher) -> Result | None:
        own = self.folder.of(run)
        own.mkdir(exist_ok=True)
        with SmallOutput(own / MODEL, force=True) as out:
            fitted = self._fitted(run, watcher, own, out)
            if fitted.interrupted:
                return None
            self.rows.check_unchanged()
            fitted.model.write(out)
        result = Result.of(run, fitted, judge(fitted), f"{run.name}/{MODEL}", _reason(fitted))
        self.folder.finish(run, result)
        return result

    def _fitted(self, run: Run, watcher: Watcher, own: Path, out: SmallOutput) -> Fit:
        if run.config is None:
            raise RuntimeError(f"{run} has no settings to train with")
        config = run.config
        if self.threads is not None:
            config = config.model_copy(update={"threads": self.threads})
        # trim trains twice, which checkpoints cannot go on from
        checkpoints = None if config.trim else Checkpoints(own / CHECKPOINT, resume=True)
        with checkpoints.held() if checkpoints else nullcontext():
            return fit_calibrated(
                self.rows.x,
                config,
                observer=watcher,
                checkpoints=checkpoints,
                ready=lambda model: model.rehearse(out),
                attributes=self.rows.attributes,
                feature_names=self.rows.feature_names,
                image_shape=self.rows.image_shape,
                categorical=self.rows.categorical,
                weights=self.rows.weights,
            )


def _reason(fitted: Fit) -> str:
    """Return how training diverged, in a sentence; empty where it did not."""
    try:
        fitted.raise_if_diverged()
    except DivergedError as error:
        return str(error)
    return ""
