"""A run elsewhere, followed by the checkpoint that it keeps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.live.run import Run
from gpuae.live.weights import Seen
from gpuae.model.model import Model
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile, Version, version_of
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.kinds.checkpoint_file import read_checkpoint
from gpuae.storage.kinds.model_file import CHECKPOINT
from gpuae.training.history import EpochRecord, History
from gpuae.training.pretraining import LAYER
from gpuae.training.state import State, part_of

Columns: TypeAlias = Mapping[str, NDArray[Any]]

NAMES = tuple(field.name for field in fields(EpochRecord))
PATIENCE = 20.0
"""A file that takes long to read is left alone for so many times as long."""


class Followed:
    """Looks at a file now and then and tells a run what is new in it."""

    def __init__(self, path: Path, run: Run) -> None:
        self._path, self._run = path, run
        self._known: Version | None = None
        self._next = 0.0

    def look(self) -> Model | None:
        """Return the model in the file, if it is there and another than before.

        Raises
        ------
        InputError
            Where it cannot be read.
        """
        began = time.monotonic()
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._run.headline = "Waiting for the checkpoint"
            return None
        if version_of(status) == self._known or began < self._next:
            return None
        self._known = version_of(status)
        model = self._read(time.strftime("%H:%M:%S", time.localtime(status.st_mtime)))
        self._next = time.monotonic() + PATIENCE * (time.monotonic() - began)
        return model

    def _read(self, written: str) -> Model:
        """Read the file and let the run say what it is."""
        given = InputFile(self._path)
        with opening.opened(given) as file:
            kind = file_format.kind_of(reading.root_attributes(file))
        if kind == CHECKPOINT:
            contents, state = read_checkpoint(given)
            model = Model.of(contents, self._path)
            self._tell(model, _layer(state), part_of(state, "history"))
            self._run.headline, best = f"Checkpoint of {written}", "the best so far"
        else:
            model = Model.load(given)
            records = _records(model.history)
            self._run.follow("", records, len(records))
            self._run.headline, best = "A finished model", "which were kept"
        self._run.weights.put(Seen(model, f"weights of {_kept(model)}, {best}"))
        return model

    def _tell(self, model: Model, layer: int | None, columns: Columns) -> None:
        config, records = model.config, _records(columns)
        if layer is None:
            self._run.follow("", records, config.resolved("epochs"))
        else:
            epochs = config.of_layer("pretrain", layer)
            self._run.follow(f"layer {layer + 1}", records, epochs)


def _records(columns: Columns) -> list[EpochRecord]:
    """Return the epochs of a history; none where it has other quantities, or no numbers."""
    history = History()
    if columns.keys() >= set(NAMES):
        own = {name: np.atleast_1d(columns[name]) for name in NAMES}
        kinds = {values.dtype.kind for values in own.values()}
        if kinds <= {"i", "u", "f"} and own["epoch"].dtype.kind != "f":
            history.restore(own)
    return history.records


def _kept(model: Model) -> str:
    epoch = model.attributes.get("best_epoch")
    return f"epoch {epoch}" if epoch else "the start"


def _layer(state: State) -> int | None:
    """Return which layer is trained alone; None: all of them together."""
    return int(state[LAYER].ravel()[0]) if LAYER in state else None
