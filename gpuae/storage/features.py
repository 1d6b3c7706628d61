"""What a model makes of rows: features, scores and rows in the data's own units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from gpuae.storage import guard, reading, schema
from gpuae.storage.atomic import RowsOutput
from gpuae.storage.companions import Companions, write_companions
from gpuae.storage.schema import Attribute

_LARGE_DATASET = {
    "dataset": (schema.ROWS_OF_KIND["dataset"], "float32"),
    "features": (schema.ROWS_OF_KIND["features"], "float32"),
    "scores": ("/scores/error", "float64"),
}
"""Path and type of what each kind of output mainly holds."""


def features_output(
    path: Path,
    shape: tuple[int, int],
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    attributes: Mapping[str, Attribute],
    resume: bool | None = None,
) -> RowsOutput:
    """Return the output for codes of `shape` (n, k), stored as float32 under /features/code.

    Parameters
    ----------
    y, row_id
        Labels and identifiers (n,) of the rows, where the data had them.
    attributes
        Root attributes beside the standard ones.
    resume
        Whether to go on with one that was interrupted; None: leave nothing to go on with.
    """
    beside = Companions(y, row_id)
    return _output(
        path, "features", shape, beside, force=force, attributes=attributes, resume=resume
    )


def scores_output(
    path: Path,
    rows: int,
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    attributes: Mapping[str, Attribute],
) -> RowsOutput:
    """Return the output for one error a row, stored as float64 (n,) under /scores/error."""
    beside = Companions(y, row_id)
    return _output(path, "scores", (rows,), beside, force=force, attributes=attributes)


def dataset_output(
    path: Path,
    shape: tuple[int, int],
    *,
    force: bool,
    y: NDArray[Any] | None = None,
    row_id: NDArray[Any] | None = None,
    feature_names: tuple[str, ...] | None = None,
    image_shape: tuple[int, ...] | None = None,
    attributes: Mapping[str, Attribute],
) -> RowsOutput:
    """Return the output for rows of `shape` (n, d), stored as float32 under /data/x."""
    beside = Companions(y, row_id, feature_names, image_shape)
    return _output(path, "dataset", shape, beside, force=force, attributes=attributes)


def _output(
    path: Path,
    kind: str,
    shape: tuple[int, ...],
    beside: Companions,
    *,
    force: bool,
    attributes: Mapping[str, Attribute],
    resume: bool | None = None,
) -> RowsOutput:
    inner, dtype = _LARGE_DATASET[kind]

    def build(file: h5py.File) -> None:
        schema.write_root(file, kind, attributes)
        write_companions(file, inner, beside)

    return RowsOutput(path, inner, shape, dtype, build, force=force, resume=resume)


def layer_of(path: Path) -> int | None:
    """Return which encoder layer a features file is of, counted from 1; None for other files."""
    with guard.opened(path) as file:
        attributes = reading.root_attributes(file)
    layer = attributes.get("layer")
    is_features = schema.kind_of(attributes) == "features"
    return layer if is_features and isinstance(layer, int) else None
