"""What a run is asked to leave behind beside its model: a log, and TensorBoard's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from gpuae.cli.base import PATH, say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.model.model import Model
    from gpuae.records.log import Log
    from gpuae.records.tensorboard import TensorBoard
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.training.history import Observer

F = TypeVar("F", bound=Callable[..., Any])

ROWS = 256
"""So many are encoded for histograms of codes."""


def record_options(function: F) -> F:
    """Add --log and --tensorboard."""
    log = click.option(
        "--log",
        type=PATH,
        metavar="FILE",
        help="Write events as they happen, one JSON object a line.",
    )
    folder = click.option(
        "--tensorboard", type=PATH, metavar="FOLDER", help="Write event files for TensorBoard."
    )
    return log(folder(function))


class Records:
    """The records of one run: a context manager, which closes them and says how it ended.

    Parameters
    ----------
    log, folder
        Where to write; None for what is not wanted.
    resume
        Whether the run may go on from another, whose records are added to.
    """

    def __init__(self, log: Path | None, folder: Path | None, *, resume: bool) -> None:
        self._path, self._folder, self._resume = log, folder, resume
        self._open = ExitStack()
        self._log: Log | None = None
        self._board: TensorBoard | None = None

    def check(self, *others: Path | None, force: bool) -> None:
        """Refuse, before any work, what cannot be written or would replace one of the others.

        Raises
        ------
        OutputError
            Saying which.
        """
        again = force or self._resume
        if self._path is not None:
            from gpuae.storage.files.output_file import check_distinct, check_output

            _check_other("--log", self._path, *others)
            check_distinct(self._path, *others)
            check_output(self._path, again)
        if self._folder is not None:
            from gpuae.records.tensorboard import check_folder

            _check_other("--tensorboard", self._folder, self._path, *others)
            check_folder(self._folder, force=again)

    def start(self, dataset: Dataset, x: NDArray[Any]) -> tuple[Observer, ...]:
        """Open what is wanted; return who has to hear of the run for that.

        Parameters
        ----------
        dataset
            What is trained on,
        x
            and its rows (n, d), which can be gathered.

        Raises
        ------
        OutputError
            Where something cannot be opened.
        """
        observers: list[Observer] = []
        if self._path is not None:
            from gpuae.records.log import logging

            opened = logging(self._path, _note, resume=self._resume)
            self._log = self._open.enter_context(opened)
            for note in dataset.notes:
                self._log.note(note)
            observers.append(self._log)
        if self._folder is not None:
            from gpuae.pictures.sample import Sample
            from gpuae.records.tensorboard import writing

            rows = Sample.of(replace(dataset, x=x), ROWS).x
            writer = writing(self._folder, rows, _note)
            self._board = self._open.enter_context(writer)
            observers.append(self._board)
        return tuple(observers)

    def show(self, model: Model) -> None:
        """Keep pictures of the weights that were kept."""
        if self._board is not None:
            self._board.ended(model)

    def tell(self, summary: Mapping[str, Any]) -> None:
        """Keep how the run ended, with its figures."""
        if self._log is not None:
            self._log.ended(summary)
            self._log = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.tell({"ending": "interrupted"})
        elif error is not None:
            self.tell({"ending": "failed", "error": str(error) or type(error).__name__})
        self._open.close()


def _check_other(option: str, path: Path, *others: Path | None) -> None:
    """Refuse a path that another file of the run has, even where neither is there yet."""
    from gpuae.storage.files.locked_file import real_path

    if any(own is not None and real_path(own) == real_path(path) for own in others):
        raise click.UsageError(f"{option}: {path} is another file of this run; give two")


def _note(message: str) -> None:
    say(f"note: {message}")
