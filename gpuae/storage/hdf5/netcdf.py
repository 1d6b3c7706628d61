"""What stored numbers mean, as netCDF's attributes of a dataset say; HDF5 itself does not know.

A value is `stored · scale_factor + add_offset`. It is missing where what is stored is `_FillValue`
or a `missing_value`, or lies outside `valid_min` … `valid_max` (or `valid_range`).
Source: NetCDF Users Guide, Appendix A, "Attribute Conventions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage.hdf5 import listing, reading
from gpuae.storage.hdf5.nodes import Dataset, File
from gpuae.storage.rows import row_blocks, row_types
from gpuae.storage.rows.lazy_rows import AnyRows, rows_per_chunk_of
from gpuae.storage.rows.views import load_if_cheap, read_rows

SCALING = ("scale_factor", "add_offset")
ABSENT = ("_FillValue", "missing_value")
VALID = ("valid_range", "valid_min", "valid_max")
UNSIGNED = "_Unsigned"
WRITTEN_BY = "_NCProperties"
"""The attribute of the root in files that the netCDF library has written."""
DIMENSION, OWN_DIMENSIONS = "_Netcdf4Dimid", "_Netcdf4Coordinates"
"""The number of a dimension, and those of the dimensions of a variable, where they are kept."""


@dataclass(frozen=True)
class Meaning:
    """What the attributes of a dataset say about its numbers."""

    scale: float = 1.0
    offset: float = 0.0
    absent: tuple[int | float, ...] = ()
    """Stored numbers that stand for missing values."""
    low: float = -np.inf
    """Smallest and largest stored numbers that are none."""
    high: float = np.inf

    @property
    def scales(self) -> bool:
        """Whether values are others than what is stored."""
        return (self.scale, self.offset) != (1, 0)

    def missing(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where stored numbers stand for missing values."""
        absent = list(map(stored.dtype.type, self._fitting(stored.dtype)))
        found = np.isin(stored, absent)
        for beyond, bound in ((np.less, self.low), (np.greater, self.high)):
            if np.isfinite(bound):
                found |= beyond(stored, bound)
        return found

    def _fitting(self, dtype: np.dtype[Any]) -> list[int | float]:
        """Return those numbers that stand for missing values which a type holds."""
        if dtype.kind == "f":
            largest = float(np.finfo(dtype).max)
            return [
                value for value in self.absent if abs(value) <= largest
            ]  # NaN is missing anyway
        limits = np.iinfo(dtype)
        whole = [int(value) for value in self.absent if np.isfinite(value) and value == int(value)]
        return [value for value in whole if limits.min <= value <= limits.max]


class Meant:
    """The values that stored rows (n, d) mean, NaN for those that are missing."""

    def __init__(self, stored: AnyRows, meaning: Meaning, source: str) -> None:
        self._stored, self._meaning, self._source = stored, meaning, source
        self.shape = stored.shape
        exact = np.result_type(stored.dtype, np.float32) if stored.dtype.itemsize < 8 else "f8"
        self.dtype: np.dtype[Any] = np.dtype("f8" if meaning.scales else exact)
        self.rows_per_chunk = rows_per_chunk_of(stored)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return the values of some rows.

        Raises
        ------
        InputError
            For integers that would be rounded.
        """
        stored = read_rows(self._stored, rows)
        missing = self._meaning.missing(stored)
        if stored.dtype.kind != "f" and not row_types.survive(stored[~missing], self.dtype):
            raise InputError(
                f"{self._source}: holds integers that {self.dtype} would round, which its "
                "attributes ask for; convert it with another program"
            )
        values = stored.astype(self.dtype)
        if self._meaning.scales:
            values = values * self._meaning.scale + self._meaning.offset
        values[missing] = np.nan
        return values


def meant(dataset: Dataset, x: AnyRows) -> tuple[AnyRows, tuple[str, ...]]:
    """Return what the rows x (n, d) of a dataset mean, and what should be said of that.

    Raises
    ------
    InputError
        For attributes that cannot be followed.
    """
    meaning = _meaning(dataset)
    count = sum(int(meaning.missing(block).sum()) for _, block in _looked_through(meaning, x))
    notes = _notes(meaning, dataset.where, count)
    return (load_if_cheap(Meant(x, meaning, dataset.where), x) if notes else x), notes


def candidates(file: File) -> str:
    """Return a half sentence that lists the matrices in a file, as `listing.candidates` does.

    Those of netCDF have dimensions with names: `file.nc::/t (time 6, lat 4) float32`.
    """
    if reading.attribute(file.root, WRITTEN_BY) is None:
        return listing.candidates(file)
    names = {
        reading.attribute(own, DIMENSION): own.path.rpartition("/")[2]
        for own in listing.datasets(file, set())
        if reading.attribute(own, "CLASS") == "DIMENSION_SCALE"
    }

    def shape_of(dataset: Dataset) -> str:
        numbers = reading.attribute(dataset, OWN_DIMENSIONS)
        if not isinstance(numbers, tuple) or len(numbers) != dataset.ndim:
            return str(dataset.shape)
        pairs = zip(numbers, dataset.shape, strict=True)
        named = [f"{names.get(number, 'of size')} {size}" for number, size in pairs]
        return f"({', '.join(named)})"

    return listing.candidates(file, shape_of)


def check_plain(dataset: Dataset) -> None:
    """Refuse a dataset whose numbers mean others.

    Raises
    ------
    InputError
        Naming an attribute.
    """
    if _meaning(dataset) != Meaning():
        raise InputError(
            f"{dataset.where}: has attributes of netCDF ({', '.join(SCALING + ABSENT)}) that are "
            "followed for rows only; save its values without them"
        )


def _looked_through(meaning: Meaning, x: AnyRows) -> Any:
    """Return the blocks of rows in which missing values have to be looked for."""
    bounded = np.isfinite([meaning.low, meaning.high]).any()
    return row_blocks.blocks(x) if bounded or meaning._fitting(x.dtype) else ()


def _notes(meaning: Meaning, source: str, missing: int) -> tuple[str, ...]:
    notes = []
    if meaning.scales:
        notes.append(
            f"{source}: values are what is stored · {meaning.scale:g} + {meaning.offset:g}, as its "
            "attributes scale_factor and add_offset say"
        )
    if missing:
        values = "1 value is" if missing == 1 else f"{missing} values are"
        notes.append(
            f"{source}: {values} missing, as its attribute {' or '.join(ABSENT)} or its "
            "valid range says"
        )
    return tuple(notes)


def _meaning(dataset: Dataset) -> Meaning:
    found = {name: _numbers(dataset, name) for name in (*SCALING, *ABSENT, *VALID)}
    unsigned = reading.attribute(dataset, UNSIGNED)
    if str(unsigned).casefold() == "true" and dataset.dtype.kind == "i":
        raise InputError(
            f"{dataset.where}: keeps unsigned numbers in a signed type ({UNSIGNED}); convert it "
            "with another program"
        )
    low, high = found["valid_range"] or (-np.inf, np.inf)
    return Meaning(
        scale=_one(found["scale_factor"], 1.0),
        offset=_one(found["add_offset"], 0.0),
        absent=(*found["_FillValue"], *found["missing_value"]),
        low=max(low, _one(found["valid_min"], -np.inf)),
        high=min(high, _one(found["valid_max"], np.inf)),
    )


def _one(values: tuple[float, ...], default: float) -> float:
    return values[0] if values else default


def _numbers(dataset: Dataset, name: str) -> tuple[float, ...]:
    """Return the numbers of an attribute; none where it is not there.

    Raises
    ------
    InputError
        Where they are none, or of another count than they must be.
    """
    value = reading.attribute(dataset, name)
    if value is None and dataset.attribute(name) is None:
        return ()
    values = value if isinstance(value, tuple) else (value,)
    numbers = tuple(v for v in values if isinstance(v, int | float))
    wanted = {"valid_range": 2, "missing_value": len(values)}.get(name, 1)
    usable = name in ABSENT or all(map(np.isfinite, numbers))
    if len(numbers) != len(values) or len(values) != wanted or not usable:
        raise InputError(
            f"{dataset.where}: its attribute {name} is {value!r}, which cannot be followed; "
            "correct it or delete it"
        )
    return numbers
