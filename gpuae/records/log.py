"""A log of a run for programs: JSON, a line for each thing that happened, while it happens."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np

from gpuae.config import Config
from gpuae.errors import OutputError
from gpuae.storage.files.locked_file import held
from gpuae.training.history import EpochRecord, Silence


@contextmanager
def logging(path: Path, tell: Callable[[str], None], *, resume: bool = False) -> Iterator[Log]:
    """Yield a log that is written to a file, after what is there where a run goes on.

    Parameters
    ----------
    tell
        Is told, once, if no more can be written; training goes on without the log.

    Raises
    ------
    OutputError
        Where it cannot be opened, or another run writes it.
    """
    with held(path), _opened(path, resume=resume) as file:
        yield Log(path, file, tell)


def _opened(path: Path, *, resume: bool) -> RawIOBase:
    try:
        file = path.open("a+b" if resume else "wb", buffering=0)
        _end_line(file)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; choose another name") from None
    return file


class Log(Silence):
    """Writes lines, each at once.

    Every line is an object with `time` (UTC) and `event`; numbers that are not finite are null.
    """

    def __init__(self, path: Path, file: RawIOBase, tell: Callable[[str], None]) -> None:
        self._path, self._file, self._tell = path, file, tell
        self._stage: str | None = None
        self._full = False

    def note(self, message: str) -> None:
        """Write it down."""
        self._write("note", {"message": message})

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Write the settings down, and which of them the data decided."""
        own = {"columns": columns, "rows": rows, "config": config.stored()}
        self._write("chosen", own | {"reasons": dict(reasons)})

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Write the mean loss of rows held out in turn down."""
        self._write("folds", {"epoch": epoch, "val_loss": val_loss})

    def stage_starts(self, stage: str) -> None:
        """Name it with all that is said from now on."""
        self._stage = stage

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Write down that it does."""
        told = {"epochs": config.resolved("epochs"), "columns": columns, "rows": rows}
        self._write("training", told)

    def epoch_done(self, record: EpochRecord) -> None:
        """Write the record down."""
        self._write("epoch", asdict(record))

    def ended(self, summary: Mapping[str, Any]) -> None:
        """Write down how the run ended, as `fit --json` prints it."""
        self._stage = None
        self._write("end", dict(summary))

    def _write(self, event: str, told: dict[str, Any]) -> None:
        if self._full:
            return
        stage = {} if self._stage is None else {"stage": self._stage}
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"time": time, "event": event} | stage | _plain(told), allow_nan=False)
        line = text.encode() + b"\n"
        try:
            if self._file.write(line) != len(line):  # the next try would say why
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._full = True
            self._tell(f"{self._path}: the log ends here ({error.strerror or error})")


def _end_line(file: RawIOBase) -> None:
    """End a line that a killed run has left unfinished."""
    if not file.tell():
        return
    file.seek(-1, 2)
    if file.read(1) != b"\n":
        file.write(b"\n")


def _plain(value: Any) -> Any:
    """Return what JSON can say: lists for arrays, null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
