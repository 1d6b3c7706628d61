"""How training shows itself: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from gpuae.cli.base import say
from gpuae.cli.status_line import can_change_lines, hidden
from gpuae.config import Config
from gpuae.progress import Meter
from gpuae.steps import step
from gpuae.training.history import EpochRecord, Observer, Together

LINE_SECONDS = 5.0
WIDE = 72
"""From so many columns on there is room for a bar and for the speed."""


@contextmanager
def watching(*others: Observer) -> Iterator[Observer]:
    """Yield the observer that suits where standard error goes, together with others."""
    if not can_change_lines():
        yield Together(Lines(), *others)
        return
    with Bar() as bar:
        yield Together(bar, *others)


class Said(Meter):
    """Says what a person should know of the start."""

    def __init__(self) -> None:
        super().__init__()
        self._told = time.perf_counter()

    def note(self, message: str) -> None:
        """Pass it on."""
        say(f"note: {message}")

    def device_chosen(self, name: str, reason: str) -> None:
        """Say it."""
        say(f"device {name}: {reason}")

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Say what is about to be trained, and why so."""
        super().chosen(config, columns, rows, reasons)
        self._told = time.perf_counter()
        for line in describe(config, columns, rows, reasons):
            say(line)

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Say how far the search for the best number of epochs is, if it takes long."""
        if time.perf_counter() - self._told >= LINE_SECONDS:
            self._told = time.perf_counter()
            say(f"rows held out in turn: epoch {epoch}/{self.epochs}  val_loss {val_loss:.5g}")


class Lines(Said):
    """Prints a line every few seconds, one for the first epoch and one for the last."""

    def __init__(self) -> None:
        super().__init__()
        self._printed = time.perf_counter()

    def rows_done(self, epoch: int, rows: int) -> None:
        """Print, if it is time to."""
        super().rows_done(epoch, rows)
        if time.perf_counter() - self._printed >= LINE_SECONDS:
            self._print(epoch)

    def epoch_done(self, record: EpochRecord) -> None:
        """Print the first and the last epoch."""
        super().epoch_done(record)
        if record.epoch in (1, self.epochs):
            self._print(record.epoch)

    def _print(self, epoch: int) -> None:
        say(self.at(epoch))
        self._printed = time.perf_counter()


class Bar(Said):
    """Draws one bar over all epochs."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.fields[stage]}epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.fields[losses]}"),
            TextColumn("{task.fields[speed]}"),
        )
        shown = columns if console.width >= WIDE else columns[::2]
        self._progress = Progress(*shown, console=console)
        self._shown = ExitStack()
        fields = {"stage": "", "epoch": 0, "epochs": 0, "losses": "starting", "speed": ""}
        self._task = self._progress.add_task("", total=1.0, **fields)  # type: ignore[arg-type]

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        self._shown.close()

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Show the bar below what is said."""
        super().training_starts(config, columns, rows)
        self._draw(0)
        self._shown.enter_context(hidden())
        self._progress.start()

    def rows_done(self, epoch: int, rows: int) -> None:
        """Move the bar."""
        super().rows_done(epoch, rows)
        self._draw(epoch)

    def epoch_done(self, record: EpochRecord) -> None:
        """Show the losses."""
        super().epoch_done(record)
        self._draw(record.epoch)

    def _draw(self, epoch: int) -> None:
        self._progress.update(
            self._task,
            completed=self.pace.share,
            stage=self.stage,
            epoch=epoch,
            epochs=self.epochs,
            losses=self.losses() or "first epoch",
            speed=self.speed(),
        )


@contextmanager
def counting(rows: int, start: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function to be told of rows that are done, which shows how far the work is."""
    if start:
        say(f"going on at row {start:,} of {rows:,}")
    if can_change_lines():
        with step(rows, "rows", start) as told:
            yield told.advance
        return
    done, printed = start, time.perf_counter()

    def advance_lines(count: int) -> None:
        nonlocal done, printed
        done += count
        if time.perf_counter() - printed >= LINE_SECONDS:
            printed = time.perf_counter()
            say(f"{done:,} of {rows:,} rows  {done / rows:.0%}")

    yield advance_lines


SAID = ("hidden", "activation", "code_activation", "init", "scale", "batch_size", "epochs")
"""Settings whose reasons are said where the data decided them."""
TOLD = (
    *("activation", "code_activation", "output_activation", "loss", "sparsity", "noise"),
    *("scale", "optimizer", "decoder", "init", "pretrain"),
)
"""Settings that are said where the person gave them."""


def describe(config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> list[str]:
    """Word what is trained on how many rows, and what the data decided, with the reason each."""
    encoder = (columns, *config.resolved_hidden)
    widths = "-".join(str(width) for width in (*encoder, *reversed(encoder[:-1])))
    asked = [
        f"{name}={value}"
        for name, value in config.stored().items()
        if name not in reasons and value != Config.model_fields[name].default and name in TOLD
    ]
    lines = [f"training {widths} on {rows:,} rows"]
    if asked:
        lines.append(f"  {' '.join(asked)}")
    values = config.stored()
    values["hidden"] = "-".join(map(str, config.resolved_hidden))
    chosen = [f"{name}={values[name]} ({reasons[name]})" for name in SAID if name in reasons]
    if chosen:
        lines.append(f"  from the data: {', '.join(chosen)}")
    return lines
