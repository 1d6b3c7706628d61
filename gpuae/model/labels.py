"""Labels as classes: integers or strings, one a row, none of them missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError

MISSING_WORDS = ("na", "n/a", "nan", "null", "none", "<na>")
"""What stands, among numbers, for a label that is not there."""
LONGEST = 1000
"""Characters of a label: more is text, not a class."""


def as_classes(labels: NDArray[Any], source: str) -> NDArray[Any]:
    """Return labels (n,) as int64 or strings.

    Raises
    ------
    InputError
        For labels that are missing, of mixed types, no whole numbers, or no plain text.
    """
    if labels.ndim != 1:
        raise InputError(f"{source}: labels have shape {labels.shape}; give one a row, (n,)")
    if labels.dtype.kind == "O":
        labels = _of_one_type(labels, source)
    if labels.dtype.kind == "S":
        labels = _decoded(labels, source)
    if labels.dtype.kind == "U":
        _check_text(labels, source)
        return labels
    if labels.dtype.kind not in "iufb":
        raise InputError(
            f"{source}: labels of type {labels.dtype} are no classes; give integers or strings"
        )
    return _whole(labels, source)


def _of_one_type(labels: NDArray[Any], source: str) -> NDArray[Any]:
    """Return Python objects as numbers or strings."""
    _check_there([_is_nothing(label) for label in labels], source)
    text = [isinstance(label, str | bytes) for label in labels]
    if any(text) and not all(text):
        row = text.index(not text[0])
        raise InputError(
            f"{source}: row {row + 1} has the label {labels[row]!r} and row 1 {labels[0]!r}; give "
            "labels that are all text or all integers"
        )
    return np.array(labels.tolist())


def _is_nothing(label: object) -> bool:
    missing = label is None or str(label) == "<NA>"
    return missing or (isinstance(label, float | np.floating) and bool(np.isnan(label)))


def _decoded(labels: NDArray[Any], source: str) -> NDArray[Any]:
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{source}: holds labels that are not UTF-8; save them as UTF-8") from None


def _check_text(labels: NDArray[Any], source: str) -> None:
    plain = np.char.strip(labels)
    _check_there(plain == "", source)
    words = np.isin(np.char.lower(plain), MISSING_WORDS)
    if words.any() and all(_is_number(label) for label in np.unique(plain[~words])):
        _check_there(words, source)
    with_nul = [label for label in np.unique(labels).tolist() if "\0" in label]
    for row in np.flatnonzero(np.isin(labels, with_nul))[:1]:
        raise InputError(f"{source}: the label of row {row + 1} holds a NUL; remove it")
    for row in np.flatnonzero(np.char.str_len(labels) > LONGEST)[:1]:
        raise InputError(
            f"{source}: the label of row {row + 1} has more than {LONGEST} characters, which is no "
            "class; name the column of the labels"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_there(missing: Any, source: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise InputError(
            f"{source}: row {rows[0] + 1} has no label ({len(rows)} in all have none); leave such "
            "rows out, or label them"
        )


def _whole(labels: NDArray[Any], source: str) -> NDArray[np.int64]:
    """Return numbers as int64, which has to hold them."""
    _check_there(np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(0), source)
    limits = np.iinfo(np.int64)
    held = labels.dtype.kind in "ib" or labels.dtype.itemsize < limits.bits // 8
    wide = np.zeros(len(labels), bool) if held else ~(np.abs(labels.astype(float)) < 2.0**63)
    if labels.dtype.kind == "f":
        wide |= (labels != np.floor(labels)) | ~(np.abs(labels) < 2.0**63)
    for row in np.flatnonzero(wide)[:1]:
        raise InputError(
            f"{source}: the label of row {row + 1} is {labels[row]:g}, which is no class; give "
            "integers of 64 bits, or strings"
        )
    return labels.astype(np.int64)
