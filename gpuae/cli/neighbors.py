"""gpuae neighbors: which rows are most alike, by their codes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from gpuae.cli.base import (
    PATH,
    data_argument,
    declare,
    force_option,
    json_option,
    machine_options,
    model_argument,
    print_json,
    say,
    tell,
    trust_options,
)
from gpuae.cli.coded import Coded
from gpuae.cli.columns import using_column_options
from gpuae.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.neighbors import Metric, Neighbors
    from gpuae.storage.outputs.late_hashes import LateAttributes


@declare
@model_argument
@data_argument
@click.option(
    "--of",
    required=True,
    metavar="ROWS",
    help="Rows of DATA, counted from 0, such as 0,5,10-19; or a file of other rows "
    "(./10 is a file of that name).",
)
@click.option(
    "-k",
    "count",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of neighbours of each row.",
)
@click.option(
    "--metric",
    type=click.Choice(["euclidean", "cosine"]),
    default="euclidean",
    show_default=True,
    help="Distance between codes.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Write a table (.csv, .tsv, .parquet) instead of printing one.",
)
@force_option
@json_option
@using_column_options
@machine_options
@trust_options
def command(
    model_path: Path,
    data: str,
    of: str,
    count: int,
    metric: Metric,
    output: Path | None,
    force: bool,
    as_json: bool,
    machine: Machine,
    reading: ReadOptions,
) -> None:
    """Find the rows of DATA whose codes are nearest to those of some rows.

    DATA, and a file given to --of, are rows, which MODEL encodes, or the output of encode with the
    same MODEL, whose codes are used directly. A row of DATA is not its own neighbour.

    \b
    Example:
      gpuae neighbors model.h5 digits --of 0,5,10-19 -k 3
    """
    from gpuae.neighbors import are_row_numbers

    if output is not None:
        _check_output(output, force)
    known = Coded.open(model_path, data, reading, machine, output)
    if are_row_numbers(of) or _is_same(data, of):
        asked = known.rows(of)
    else:
        asked = Coded.open(model_path, of, reading, machine, output)
    found = _Found.of(known, asked, count, metric)
    if output is not None:
        found.write(
            output, of, {"device": machine.device, "k": count, "metric": metric}, force=force
        )
        told = say if as_json else tell
        told(f"wrote the {count} nearest of each of {len(asked.codes)} rows to {output}")
    if as_json:
        print_json({"metric": metric, "k": count, "rows": found.records()})
    elif output is None:
        click.echo("\n".join(found.lines()))


@dataclass(frozen=True)
class _Found:
    """What is nearest to what."""

    known: Coded
    asked: Coded
    neighbors: Neighbors

    @classmethod
    def of(cls, known: Coded, asked: Coded, count: int, metric: Metric) -> _Found:
        """Find the neighbours."""
        from gpuae.neighbors import nearest

        own = asked.numbers
        found = nearest(known.codes, asked.codes, count, metric=metric, own=own)
        return cls(known, asked, found)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers of the asked rows (m,)."""
        own = self.asked.numbers
        return np.arange(len(self.asked.codes)) if own is None else own

    def records(self) -> list[dict[str, Any]]:
        """Return a record for each asked row, for a program."""
        near, far = self.neighbors.numbers, self.neighbors.distances
        them = self._columns(self.known, near) | {"distance": far}
        us = self._columns(self.asked, None)
        return [
            _record(us, row)
            | {"neighbors": [_record(them, (row, n)) for n in range(near.shape[1])]}
            for row in range(len(near))
        ]

    def lines(self) -> list[str]:
        """Return a table for a person, a line for each asked row."""
        records = self.records()
        names = [name for name in ("row", "row_id", "label") if name in records[0]]
        theirs = [name for name in (*names, "distance") if name in records[0]["neighbors"][0]]
        titles = {"row": "neighbors", "row_id": "their row_id", "label": "their label"}
        head = [*names, *(titles.get(name, "distances") for name in theirs)]
        cells = [
            [str(record[name]) for name in names]
            + [" ".join(_word(own[name]) for own in record["neighbors"]) for name in theirs]
            for record in records
        ]
        return _aligned([head, *cells])

    def write(self, path: Path, of: str, told: dict[str, Any], *, force: bool) -> None:
        """Write a table of a line for each neighbour."""
        from gpuae.storage.outputs.table_content import TableContent
        from gpuae.storage.outputs.table_output import TableOutput
        from gpuae.storage.rows.metadata import RowMetadata

        near = self.neighbors.numbers
        repeat = near.shape[1]
        table = _as_table(
            {
                "row": self.numbers.repeat(repeat),
                "rank": np.tile(np.arange(1, repeat + 1), len(near)),
                **{f"neighbor_{name}": v for name, v in self._columns(self.known, near).items()},
                "distance": self.neighbors.distances,
            }
        )
        own = [self.asked.beside(name) for name in ("y", "row_id")]
        labels, ids = (None if values is None else values.repeat(repeat) for values in own)
        metadata, made = RowMetadata(labels, ids), self._attributes(of, told)
        content = TableContent("neighbors", table.dtype.names or (), metadata, made)
        with TableOutput(path, table.shape, table.dtype, content, force=force) as out:
            out.write(0, table)

    def _columns(self, rows: Coded, numbers: NDArray[np.int64] | None) -> dict[str, NDArray[Any]]:
        """Return number, id and label of some rows, those of the last two that are known."""
        own = self.numbers if numbers is None else numbers
        columns = {"row": own}
        for title, name in (("row_id", "row_id"), ("label", "y")):
            values = rows.beside(name)
            if values is not None:
                columns[title] = values if numbers is None else values[numbers]
        return columns

    def _attributes(self, of: str, told: dict[str, Any]) -> LateAttributes:
        """Return what the table is made from."""
        from gpuae.storage.provenance.lineage import source_file

        if self.asked.numbers is not None:
            return self.known.job.attributes("neighbors", of=of, **told)
        data = self.asked.job.dataset
        others = (source_file("of", data.file, data.source),)
        self.asked.job.check_unchanged()
        return self.known.job.attributes("neighbors", others=others, **told)


def _check_output(output: Path, force: bool) -> None:
    from gpuae.errors import OutputError
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.outputs.endings import is_table

    if not is_table(output):
        raise OutputError(
            f"{output}: neighbours are written as a table; end the name in .csv, .tsv or .parquet"
        )
    check_output(output, force)


def _is_same(one: str, other: str) -> bool:
    """Whether two names of data are of the same rows."""
    from gpuae.importers import files_named
    from gpuae.storage.files.locked_file import real_path

    named = [
        [(real_path(path), inner) for path, inner in files_named(spec)] for spec in (one, other)
    ]
    return named[0] == named[1] if all(named) else one == other


def _record(columns: dict[str, NDArray[Any]], place: Any) -> dict[str, Any]:
    return {name: values[place].item() for name, values in columns.items()}


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines, each column as wide as its widest cell."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _as_table(columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return columns of as many values each as rows that have fields."""
    flat = {name: values.reshape(-1) for name, values in columns.items()}
    rows = len(next(iter(flat.values())))
    table = np.empty(rows, [(name, values.dtype) for name, values in flat.items()])
    for name, values in flat.items():
        table[name] = values
    return table
