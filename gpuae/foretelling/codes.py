"""What encoding will take: some rows are encoded and written for real, into a temporary folder.

The first few rows cost what is only done once as well; how much longer more of them take says what
a row takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from gpuae.encoding import encode, in_float32, layer_index
from gpuae.foretelling.foretold import Foretold
from gpuae.machine import Machine
from gpuae.memory import peak_memory
from gpuae.model.model import Model
from gpuae.storage.kinds.features import features_output
from gpuae.storage.kinds.rows_output import Attributes
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.storage.rows.row_blocks import block_rows

FEWEST_ROWS = 1024
"""Are encoded first; fewer data are encoded as a whole."""
GROWTH = 4
SECONDS = 0.5
"""Rows are encoded until they take so long."""


@dataclass(frozen=True)
class _Part:
    """The first rows of the data, and what encoding and writing them took."""

    rows: int
    seconds: float
    size: int

    def more(self, rows: int, before: _Part) -> tuple[float, float]:
        """Return seconds and bytes of so many rows more, by what this has more than another."""
        each = rows / max(1, self.rows - before.rows)
        return each * max(0.0, self.seconds - before.seconds), each * (self.size - before.size)


@dataclass(frozen=True)
class CodesTask:
    """What is to be encoded, by which layer, and under which name it would be written.

    Attributes
    ----------
    layer
        As `gpuae.encoding.encode` takes it.
    attributes
        Of the file.
    """

    model: Model
    data: Dataset
    output: Path
    layer: int | None
    machine: Machine
    attributes: Attributes

    def written(self, x: NDArray[Any]) -> _Part:
        """Encode and write the first rows of the data, which are x (m, d)."""
        began = time.perf_counter()
        units = self.model.network.layers[layer_index(self.model, self.layer)].n_out
        with TemporaryDirectory(prefix="gpuae-") as folder:
            path = Path(folder) / f"codes{self.output.suffix}"
            known = _first(self.data.metadata, len(x))
            out = features_output(
                path, (len(x), units), known, force=False, attributes=self.attributes
            )
            with out:
                sink = in_float32(out.write)
                encode(self.model, x, sink, layer=self.layer, machine=self.machine)
            size = path.stat().st_size
            return _Part(len(x), time.perf_counter() - began, size)


def foretell_encode(task: CodesTask, began: float) -> Foretold:
    """Foretell what writing the codes of rows takes, beside their labels and ids.

    The command `began` then, by `time.perf_counter`.
    """
    x, count = task.data.x, len(task.data.x)
    reading = time.perf_counter()
    block = x[: block_rows(x, FEWEST_ROWS)]
    read = (time.perf_counter() - reading) / len(block)
    few = count if count <= FEWEST_ROWS else min(FEWEST_ROWS, len(block) // GROWTH)
    first = task.written(block[:few])
    gone = time.perf_counter() - began - read * len(block)
    seconds, size = _more(task, block, few) if few < count else (0.0, 0.0)
    return Foretold(
        seconds=gone + read * count + seconds,
        memory=peak_memory(),
        output=round(first.size + size),
    )


def _more(task: CodesTask, block: NDArray[Any], few: int) -> tuple[float, float]:
    """Return what all rows but the first few take, measured on ever more of a block."""
    first = task.written(block[:few])  # again, now that nothing is done for the first time
    many, rows = first, few
    while many.seconds < SECONDS and rows < len(block):
        rows = min(len(block), GROWTH * rows)
        many = task.written(block[:rows])
    return many.more(len(task.data.x) - few, first)


def _first(known: RowMetadata, rows: int) -> RowMetadata:
    """Return the labels and identifiers of the first rows."""
    y, row_id = (None if own is None else own[:rows] for own in (known.y, known.row_id))
    return RowMetadata(y, row_id)
