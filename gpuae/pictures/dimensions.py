"""What codes of growing size explain of unseen rows, beside PCA."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from gpuae.dimensions import Dimensions
from gpuae.errors import InputError
from gpuae.pictures.picture import Axes, Level, Lines, Picture, Series, Vector
from gpuae.storage.files.input_file import check_readable

LOWEST = -1.0
"""A code that explains less than that is not drawn: the others would be one line."""
MOST_BYTES = 1 << 20
"""Of what `gpuae dimensions --json` prints: a search has a few dozen sizes."""
MOST_COUNTED = 1 << 53
"""Whole numbers up to that are drawn where they are."""
_READER = TypeAdapter(Dimensions)


def dimensions(found: Dimensions) -> Picture:
    """Show explained variance against the size of the code, and the sizes that are suggested."""
    sizes = np.array([size.code_size for size in found.sizes], np.float64)
    own = np.array([size.explained_variance for size in found.sizes])
    pca = np.array([size.pca_explained_variance for size in found.sizes])
    kind: Literal["line", "points"] = "points" if len(sizes) == 1 else "line"
    series = (
        Series("autoencoder", sizes, _drawable(own), kind),
        Series("PCA", sizes, _drawable(pca), kind),
    )
    axes = Axes("code units", "explained variance of unseen rows", log_x=len(sizes) > 1)
    panel = Lines("Explained variance by code size", axes, series, _levels(found))
    low = int(((own < LOWEST) | (pca < LOWEST)).sum())
    return Picture(
        "How many code units",
        (panel,),
        f"{found}. {found.pca_sentence()}.",
        (*_left_out(low), *_interrupted(found)),
        across=1,
    )


def read_dimensions(path: Path) -> Dimensions:
    """Read what `gpuae dimensions DATA --json` has printed.

    Raises
    ------
    InputError
        Where that cannot be read, or is something else.
    """
    check_readable(path)
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    wrong = f"{path}: is not what `gpuae dimensions DATA --json` prints"
    if len(content) > MOST_BYTES:
        raise InputError(f"{wrong}: it is larger than {MOST_BYTES >> 20} MiB; give that file")
    try:
        found = _READER.validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{wrong} ({place}: {first['msg']}); give that file") from None
    _check(found, wrong)
    return found


def _check(found: Dimensions, wrong: str) -> None:
    """Refuse numbers that no search has found."""
    sizes = [size.code_size for size in found.sizes]
    shares = [found.suggested_explained_variance, found.pca_suggested_explained_variance]
    for size in found.sizes:
        shares += [size.explained_variance, size.pca_explained_variance]
    if not sizes or sizes != sorted({size for size in sizes if size > 0}):
        raise InputError(f"{wrong}: its code sizes are not 1 or more and rising; give that file")
    if not all(share <= 1 and math.isfinite(share) for share in shares):
        raise InputError(f"{wrong}: a share of variance in it is no number up to 1; give that file")
    counts = (found.rows, found.columns, found.largest, *sizes)
    suggested = (found.suggested, found.pca_suggested)
    if min(counts) < 1 or min(suggested) < 0 or max(*counts, *suggested) > MOST_COUNTED:
        raise InputError(f"{wrong}: it has a count that cannot be; give that file")


def _drawable(shares: Vector) -> Vector:
    return np.where(shares < LOWEST, np.nan, shares)


def _levels(found: Dimensions) -> tuple[Level, ...]:
    """Mark the sizes that are suggested; 0 is none."""
    suggested = (("suggested", found.suggested), ("PCA by the same rule", found.pca_suggested))
    return tuple(Level(f"{what}: {size}", float(size), "x") for what, size in suggested if size)


def _left_out(low: int) -> Iterator[str]:
    if low:
        sizes = "1 code size is" if low == 1 else f"{low} code sizes are"
        yield f"{sizes} left out where less than {LOWEST:.0%} of the variance is explained"


def _interrupted(found: Dimensions) -> Iterator[str]:
    if found.interrupted:
        yield "the search was interrupted: sizes that it would have tried are missing"
