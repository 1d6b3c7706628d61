"""What a model makes of rows: features, scores and rows in the data's own units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.kinds.named_rows import named_rows_output
from gpuae.storage.kinds.rows_output import Attributes, Output, numbered, rows_output
from gpuae.storage.outputs.endings import is_table
from gpuae.storage.rows.dataset import NOTHING_KNOWN
from gpuae.storage.rows.metadata import RowMetadata


def features_output(
    path: Path,
    shape: tuple[int, int],
    metadata: RowMetadata = NOTHING_KNOWN,
    *,
    force: bool,
    attributes: Attributes,
    prefix: str = "code",
    resume: bool | None = None,
) -> Output:
    """Return the output for codes of `shape` (n, k), stored as float32 under /features/code.

    Parameters
    ----------
    metadata
        Of the rows that were encoded; the codes keep their labels and identifiers.
    attributes
        Further root attributes.
    prefix
        What the columns are called in a table, before their number from 0.
    resume
        Whether to resume an interrupted one; None: an interrupted one is deleted.
    """
    return rows_output(
        path,
        "features",
        shape,
        "float32",
        numbered(prefix, shape[1]),
        metadata.of_rows,
        force=force,
        attributes=attributes,
        resume=resume,
    )


def scores_output(
    path: Path,
    rows: int,
    metadata: RowMetadata = NOTHING_KNOWN,
    *,
    force: bool,
    attributes: Attributes,
    dtype: np.dtype[Any] | None = None,
) -> Output:
    """Return the output for one error a row, stored as float64 (n,) under /scores/error.

    In a table the rows are numbered from 1 where nothing else identifies them, so that it can be
    sorted. With `dtype` rows have fields, `error` first, and each is stored under its name.
    """
    return rows_output(
        path,
        "scores",
        (rows,),
        "float64" if dtype is None else dtype,
        ("error",) if dtype is None else dtype.names or (),
        _identified(path, metadata, rows),
        force=force,
        attributes=attributes,
    )


def predictions_output(
    path: Path,
    rows: int,
    classes: NDArray[Any],
    metadata: RowMetadata = NOTHING_KNOWN,
    *,
    force: bool,
    attributes: Attributes,
) -> Output:
    """Return the output for the probabilities of classes (c,), and the likeliest, of rows.

    HDF5 has /predictions/class_index, /predictions/probability (n, c), float32, and the labels of
    the classes, /predictions/classes; a table has `class`, the label, and a column `p_` of each
    label. Rows are written with the fields of `prediction_type`.
    """
    dtype = prediction_type(path, classes)
    inner = file_format.PREDICTED_CLASSES
    text = classes.dtype.kind == "U"
    return rows_output(
        path,
        "predictions",
        (rows,),
        dtype,
        dtype.names or (),
        _identified(path, metadata, rows),
        force=force,
        attributes=attributes,
        also={inner: file_format.text_cells(classes, inner) if text else classes},
    )


def _identified(path: Path, metadata: RowMetadata, rows: int) -> RowMetadata:
    """Return labels and identifiers; in a table rows without any are numbered from 1."""
    known = metadata.of_rows
    if known.row_id is None and is_table(path):
        return replace(known, row_id=np.arange(1, rows + 1))
    return known


def prediction_type(path: Path, classes: NDArray[Any]) -> np.dtype[Any]:
    """Return the type of a row of predictions among classes (c,) in a file of this name."""
    if not is_table(path):
        return np.dtype([("class_index", "i8"), ("probability", "f4", (len(classes),))])
    return np.dtype(
        [("class", classes.dtype), *((f"p_{label}", "f4") for label in classes.tolist())]
    )


def dataset_output(
    path: Path,
    shape: tuple[int, int],
    dtype: DTypeLike,
    metadata: RowMetadata = NOTHING_KNOWN,
    *,
    force: bool,
    attributes: Attributes,
) -> Output:
    """Return the output for rows of `shape` (n, d), stored as `dtype` under /data/x."""
    names = metadata.feature_names or numbered("x", shape[1])
    if metadata.categorical and is_table(path):
        return named_rows_output(
            path, shape, dtype, names, metadata, force=force, attributes=attributes
        )
    return rows_output(
        path, "dataset", shape, dtype, names, metadata, force=force, attributes=attributes
    )


def layer_of(file: InputFile) -> int | None:
    """Return which encoder layer a features file is of, counted from 1; None for other files."""
    layer = _attributes(file).get("layer")
    return layer if isinstance(layer, int) else None


def are_features_of(file: InputFile, model: InputFile) -> bool:
    """Whether a file holds features that this very model file has made.

    Raises
    ------
    InputError
        When one of them cannot be read.
    """
    made = _attributes(file).get(file_format.HASH_OF_ROLE["model"])
    return made is not None and made == model.sha256


def _attributes(given: InputFile) -> Mapping[str, Any]:
    """Return the root attributes of a features file; none of other files."""
    if not opening.is_hdf5(given):
        return {}
    with opening.opened(given) as file:
        attributes = reading.root_attributes(file)
    return attributes if file_format.kind_of(attributes) == "features" else {}
