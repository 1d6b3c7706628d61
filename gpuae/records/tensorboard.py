"""Event files for TensorBoard: losses, histograms of the code, images of weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.config import Config
from gpuae.errors import GpuaeError, OutputError
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.pictures.mosaic import mosaic
from gpuae.pictures.picture import Tiles
from gpuae.pictures.weights import weights
from gpuae.training.budget import Budget
from gpuae.training.history import EpochRecord, Silence, SoFar

SHARE = 0.01
"""Of the time that passes, which histograms and images may take."""
UNITS = 256
"""Of so many units weights are drawn."""
BINS = 64
"""Of a histogram."""
FLUSH_SECONDS = 1.0


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that is none, or that holds other runs, which would be mixed with this one.

    Raises
    ------
    OutputError
        Saying which, or which package is missing.
    """
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise OutputError(
            "--tensorboard needs tensorboardX; install it with pip install 'gpuae[tensorboard]'"
        ) from None
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is no folder; name one for TensorBoard's files")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder}: holds files already, and TensorBoard would mix the runs; name a new folder "
            "or give --force"
        )


@contextmanager
def writing(folder: Path, rows: NDArray[Any], tell: Callable[[str], None]) -> Iterator[TensorBoard]:
    """Yield an observer that writes an event file into a folder, which is made if need be.

    Parameters
    ----------
    rows
        Some rows (m, d), of whose codes histograms are made.
    tell
        Is told, once, if no more can be written; training goes on without.

    Raises
    ------
    OutputError
        Where nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        events = _Events(folder, tell)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror or error}; choose another folder") from None
    try:
        yield TensorBoard(events, rows)
    finally:
        events.close()


class _Events:
    """An event file, in which summaries stand as they come.

    Written here and not by a `SummaryWriter`, whose thread ends when the disk is full: whoever adds
    the tenth summary after that waits for ever.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        self._folder, self._tell = folder, tell
        self._writer = EventsWriter(str(folder / "events"))
        self._flushed, self._full = time.monotonic(), False

    def add(self, summary: Any, step: int) -> None:
        """Write a summary of an epoch; what is older than a second is then in the file."""
        from tensorboardX.proto.event_pb2 import Event

        if self._full:
            return
        event = Event(wall_time=time.time(), step=step, summary=summary)
        now = time.monotonic()
        late = now - self._flushed >= FLUSH_SECONDS
        self._flushed = now if late else self._flushed
        self._try(self._writer.write_event, event)
        if late:
            self._try(self._writer.flush)

    def close(self) -> None:
        """Write what is left."""
        self._try(self._writer.close)

    def _try(self, write: Callable[..., Any], *arguments: Any) -> None:
        try:
            write(*arguments)
        except OSError as error:
            if self._full:
                return
            self._full = True
            self._tell(f"{self._folder}: TensorBoard's file ends here ({error.strerror or error})")


class TensorBoard(Silence):
    """Writes scalars of every epoch, and now and then what takes longer."""

    def __init__(self, events: _Events, rows: NDArray[Any]) -> None:
        from tensorboardX import summary

        self._events, self._summary, self._rows = events, summary, rows
        self._stage, self._epoch = "", 0
        self._drawn, self._budget = 0, Budget(SHARE)

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Write the settings as a table."""
        lines = [f"| {name} | {value} |" for name, value in config.stored().items()]
        head = f"{rows:,} rows of {columns:,} columns\n\n| setting | value |\n|---|---|\n"
        self._events.add(self._summary.text("settings", head + "\n".join(lines)), 0)

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Write the mean loss of rows held out in turn."""
        self._events.add(self._summary.scalar("folds/val_loss", val_loss), epoch)

    def stage_starts(self, stage: str) -> None:
        """Name it before all that is written from now on."""
        self._stage, self._epoch, self._drawn = f"{stage}/", 0, 0

    def epoch_done(self, record: EpochRecord) -> None:
        """Write what is known of an epoch."""
        self._epoch = record.epoch
        for name in ("loss", "val_loss", "learning_rate", "seconds"):
            value = getattr(record, name)
            if np.isfinite(value):
                self._events.add(self._summary.scalar(f"{self._stage}{name}", value), record.epoch)

    def between_steps(self, so_far: SoFar) -> None:
        """Write codes and weights after an epoch, if that has not taken too much time lately."""
        if self._epoch > self._drawn and self._budget.free:
            began = time.perf_counter()
            self._drawn = self._epoch
            self._write(so_far())
            self._budget.spend(time.perf_counter() - began)

    def ended(self, model: Model) -> None:
        """Write codes and weights of the model that is kept, after the last epoch."""
        self._write(model)

    def _write(self, model: Model) -> None:
        if not np.isfinite(model.parameters).all():
            return  # training says itself that it has diverged
        with np.errstate(all="ignore"), suppress(GpuaeError):
            self._write_pictures(model)

    def _write_pictures(self, model: Model) -> None:
        for layer, values in enumerate(_codes(model, self._rows), start=1):
            self._write_histogram(f"layer_{layer}/code", values)
        for layer, own in enumerate(model.network.views(model.parameters), start=1):
            self._write_histogram(f"layer_{layer}/weight", own.weight)
        for panel in weights(model, count=UNITS).panels:
            if isinstance(panel, Tiles):
                image = np.nan_to_num(mosaic(panel), nan=0.5)
                form = "HWC"[: image.ndim]
                self._add(self._summary.image(f"{self._stage}weights", image, dataformats=form))

    def _write_histogram(self, name: str, values: NDArray[Any]) -> None:
        finite = values[np.isfinite(values)]
        if finite.size:
            self._add(self._summary.histogram(f"{self._stage}{name}", finite, BINS))

    def _add(self, summary: Any) -> None:
        self._events.add(summary, self._epoch)


def _codes(model: Model, rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield what each encoder layer makes of rows, by the backend that compiles nothing."""
    for layer in range(1, model.network.depth + 1):
        width = model.network.layers[layer - 1].n_out
        out = np.empty((len(rows), width), model.config.dtype)
        encoding.encode(model, rows, encoding.into(out), layer=layer, machine=Machine("numpy", 1))
        yield out
