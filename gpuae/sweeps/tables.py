"""The results of a sweep as files: a table of text, HDF5, and the name of the best model."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae.storage.file_format import created_by, text_cells
from gpuae.storage.outputs.small_output import write_small
from gpuae.sweeps.folder import write_bytes
from gpuae.sweeps.results import Table

CSV, HDF5, BEST = "results.csv", "results.h5", "best.h5"
FIGURES = (
    "explained_variance",
    "pca_explained_variance",
    "preprocessed_explained_variance",
    "preprocessed_pca_explained_variance",
)
COUNTS = ("measured_rows", "epochs", "best_epoch")
WORDS = ("ending", "reason", "model")


def write_results(folder: Path, table: Table) -> None:
    """Write results.csv and results.h5, and let best.h5 be the best model.

    Raises
    ------
    OutputError
        Where one of them cannot be written.
    """
    columns = dict(_columns(table))
    write_bytes(folder / CSV, _as_csv(columns).encode("utf-8", "replace"))

    def build(file: h5py.File) -> None:
        file.attrs["created_by"] = created_by()
        file.attrs["ordered_by"] = f"{table.prefix}{FIGURES[0]}"
        for name, values in columns.items():
            own = text_cells(values.tolist(), HDF5) if values.dtype.kind == "U" else values
            file.create_dataset(f"results/{name}", data=own)

    write_small(folder / HDF5, build, force=True)
    if table.best is not None:
        _link(folder / BEST, Path(table.best.model))


def _columns(table: Table) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield columns (n,) by name: what is varied first, and numbers as numbers."""
    results = table.results
    for name in table.varied:
        yield name, _typed([result.settings.get(name, "") for result in results])
    for name in FIGURES:
        yield name, np.array([result.figure(name) for result in results], np.float64)
    for name in COUNTS:
        yield name, np.array([getattr(result, name) for result in results], np.int64)
    yield "seconds", np.array([result.seconds for result in results], np.float64)
    for name in WORDS:
        yield name, np.array([getattr(result, name) for result in results], str)


def _typed(values: list[str]) -> NDArray[Any]:
    """Return values as numbers where all of them are."""
    for kind in (np.int64, np.float64):
        with suppress(ValueError, OverflowError):
            return np.array([kind(value) for value in values])
    return np.array(values, str)


def _as_csv(columns: dict[str, NDArray[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(_cell(value) for value in row)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a value as text: nothing for what is not known, a float with all of its digits."""
    if isinstance(value, np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return value


def _link(name: Path, model: Path) -> None:
    """Let a name in the folder be that of a model below it: a link, or else a copy."""
    new = name.with_name(f".{name.name}.new")
    new.unlink(missing_ok=True)
    try:
        new.symlink_to(model)
    except (OSError, NotImplementedError):  # no such call, or no right to make links
        shutil.copyfile(name.parent / model, new)
    new.replace(name)
