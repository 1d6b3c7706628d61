"""Labels of the rows of a command: from a file of their own, or with the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gpuae.cli.base import PATH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.cli.rows import Job
    from gpuae.storage.provenance.lineage import SourceFile

F = TypeVar("F", bound=Callable[..., Any])


def labels_option(function: F) -> F:
    """Add --labels."""
    return click.option(
        "--labels",
        "labels_path",
        type=PATH,
        metavar="FILE",
        help="File with one label for each row (idx, npy, csv) [default: those in DATA].",
    )(function)


@dataclass(frozen=True)
class Labels:
    """Labels (n,) of the rows, what messages call them, and the file that they are from."""

    values: NDArray[Any]
    source: str
    sources: tuple[SourceFile, ...] = ()

    @classmethod
    def of(cls, job: Job, path: Path | None, output: Path | None = None) -> Labels:
        """Read the labels of a job's rows.

        Raises
        ------
        InputError
            Where there are none, or not one a row.
        """
        from gpuae.errors import InputError
        from gpuae.importers import LabelsFile, path_of
        from gpuae.storage.files.output_file import check_distinct
        from gpuae.storage.provenance import lineage

        if path is None:
            if job.dataset.y is None:
                raise InputError(
                    f"{job.dataset.source} has no labels; give them with --labels FILE, or name "
                    "their column with --label-column"
                )
            return cls(job.dataset.y, f"labels of {job.dataset.source}")
        if output is not None:
            check_distinct(output, path_of(str(path)))
        labels = LabelsFile(path)
        values = labels.load(len(job.x))
        if len(values) != len(job.x):
            raise InputError(
                f"{path}: has {len(values)} labels for the {len(job.x)} rows of "
                f"{job.dataset.source}; give one a row"
            )
        source = lineage.source_file("labels", labels.file, str(path))
        return cls(values, str(path), (source,))
