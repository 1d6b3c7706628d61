"""Weights of the rows of a command: from a file of their own, or from a column of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gpuae.cli.base import PATH, say

if TYPE_CHECKING:
    from gpuae.importers import ReadOptions, WeightsFile
    from gpuae.model.statistics import RowWeights
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.provenance.lineage import SourceFile
    from gpuae.storage.rows.dataset import Dataset

F = TypeVar("F", bound=Callable[..., Any])


def weight_options(function: F) -> F:
    """Add --weights, as `weights_path`, and --weight-column, which goes into `reading`.

    They stand below `column_options`, which make `reading`.
    """

    @wraps(function)
    def command(
        *,
        reading: ReadOptions,
        weights_path: Path | None,
        weight_column: str | None,
        **others: Any,
    ) -> Any:
        if weights_path is not None and weight_column is not None:
            raise click.UsageError("--weights and --weight-column both weigh the rows; give one")
        reading = replace(reading, weight_column=weight_column)
        return function(reading=reading, weights_path=weights_path, **others)

    for option in (_COLUMN, _FILE):
        command = option(command)
    return command  # type: ignore[return-value]


_FILE = click.option(
    "--weights",
    "weights_path",
    type=PATH,
    metavar="FILE",
    help="File with one number for each row: how much it counts [default: all the same].",
)
_COLUMN = click.option(
    "--weight-column", metavar="NAME", help="In a table, the column of the rows' weights."
)


@dataclass(frozen=True)
class Weights:
    """How much each row of a dataset counts, and the file that says so, if it is one of its own."""

    values: RowWeights = None
    file: InputFile | None = None
    spec: str = ""

    @classmethod
    def of(cls, dataset: Dataset, path: Path | None = None) -> Weights:
        """Read the weights of some rows, and say how many of them do not count.

        Raises
        ------
        InputError
            Where they are not one number of 0 or more for each row, or all are 0.
        """
        from gpuae.importers import WeightsFile
        from gpuae.model.row_weights import checked_weights

        file: WeightsFile | None = None if path is None else WeightsFile(path)
        count = len(dataset.x)
        given = dataset.weights if file is None else file.load(count)
        if given is None:
            return cls()
        source = str(path) if path else f"weights of {dataset.source}"
        values = checked_weights(given, count, source)
        without = count - int((values > 0).sum())
        if without:
            say(f"note: {without} of the {count} rows have the weight 0 and are left out")
        return cls(values, file.file if file else None, str(path) if path else "")

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The file as a source of what is made."""
        from gpuae.storage.provenance.lineage import source_file

        return () if self.file is None else (source_file("weights", self.file, self.spec),)

    @property
    def told(self) -> dict[str, str]:
        """What a model says of them, under the name that it has there."""
        from gpuae.model.row_weights import weights_sha256

        return {} if self.values is None else {"weights_sha256": weights_sha256(self.values)}
