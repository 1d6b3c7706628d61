"""The differences between two files, but for timings and for how the values are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage import file_format
from gpuae.storage.content_hash import canonical
from gpuae.storage.content_hash.file_hash import TIMINGS, attribute_names
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading, walk
from gpuae.storage.hdf5.boxes import Boxes
from gpuae.storage.hdf5.nodes import Dataset, File, Item
from gpuae.storage.provenance.lineage import Record, SourceFile

_TIMED_KINDS = ("model", "checkpoint")


@dataclass(frozen=True)
class Difference:
    """One group, dataset or attribute (`path@name`) in which two files differ."""

    path: str
    what: str
    count: int | None = None
    """How many values differ."""
    largest: float | None = None
    """Largest finite difference between numbers, without its sign."""


def differences(one: InputFile, other: InputFile) -> Iterator[Difference]:
    """Yield the differences between two HDF5 files, but for timings and the content hash.

    The hashes of sources that gpuae made cover timings too, so what made these sources is compared
    instead.

    Raises
    ------
    InputError
        When one of them cannot be read, or holds what no file of gpuae's does.
    """
    with opening.opened(one) as first, opening.opened(other) as second:
        trees = walk.guarded_objects(first), walk.guarded_objects(second)
        ignored = _hashes_of_timings(first, second)
        for path in sorted({*trees[0], *trees[1]}):
            items = trees[0].get(path), trees[1].get(path)
            if items[0] is None or items[1] is None:
                yield Difference(path, f"is only in {other if items[0] is None else one}")
            else:
                yield from _of_objects(path, items[0], items[1], ignored)


def _of_objects(path: str, one: Item, other: Item, ignored: set[str]) -> Iterator[Difference]:
    if isinstance(one, Dataset) and isinstance(other, Dataset):
        yield from _of_datasets(path, one, other)
    elif type(one) is not type(other):
        yield Difference(path, "is a dataset in one and a group in the other")
    names = {*attribute_names(path, one)}, {*attribute_names(path, other)}
    for name in sorted((names[0] | names[1]) - (ignored if path == "/" else set())):
        yield from _of_attributes(path, name, one, other, in_both=name in names[0] & names[1])


def _of_attributes(
    path: str, name: str, one: Item, other: Item, *, in_both: bool
) -> Iterator[Difference]:
    where = f"{path}@{name}"
    if not in_both:
        yield Difference(where, "is only in one of them")
        return
    values, its = canonical.attribute(one, name), canonical.attribute(other, name)
    if described := _description(where, values, its):
        yield described
    elif bytes(canonical.as_bytes(values)) != bytes(canonical.as_bytes(its)):
        yield Difference(where, f"{_shown(values)} and {_shown(its)}")


def _shown(values: NDArray[Any], length: int = 60) -> str:
    plain = values.tolist()
    text = plain.decode("utf-8", "replace") if isinstance(plain, bytes) else str(plain)
    return text if len(text) <= length else f"{text[:length]}…"


def _description(
    path: str, one: NDArray[Any] | Dataset, other: NDArray[Any] | Dataset
) -> Difference | None:
    """Return how types or shapes differ."""
    kinds = [canonical.type_name(values.dtype, path) for values in (one, other)]
    if kinds[0] != kinds[1]:
        return Difference(path, f"is {kinds[0]} in one and {kinds[1]} in the other")
    if one.shape != other.shape:
        return Difference(path, f"has the shapes {one.shape} and {other.shape}")
    return None


def _of_datasets(path: str, one: Dataset, other: Dataset) -> Iterator[Difference]:
    if described := _description(path, one, other):
        yield described
        return
    if path in TIMINGS:
        return
    count = 0
    largest: float | None = None
    for first, second in _pairs(path, one, other):
        differing = _differing(first, second)
        count += int(np.count_nonzero(differing))
        distance = _largest_distance(first[differing], second[differing])
        largest = max((d for d in (largest, distance) if d is not None), default=None)
    if count:
        size = "" if largest is None else f", the largest difference is {largest:.6g}"
        yield Difference(path, f"{count} of {one.size} values differ{size}", count, largest)


def _differing(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where values differ; NaN is equal to itself."""
    if one.dtype.kind in "SO":
        cells = zip(one.reshape(-1).tolist(), other.reshape(-1).tolist(), strict=True)
        return np.array([cell != its for cell, its in cells]).reshape(one.shape)
    differing: NDArray[np.bool_] = np.asarray(one != other)
    return differing & ~(np.isnan(one) & np.isnan(other)) if one.dtype.kind == "f" else differing


def _largest_distance(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return the largest distance that is a finite number; None where there is none."""
    if one.dtype.kind in "iu":
        higher, lower = np.maximum(one, other), np.minimum(one, other)
        distances = higher.astype(np.uint64) - lower.astype(np.uint64)
        return float(distances.max()) if len(distances) else None
    if one.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    finite = apart[np.isfinite(apart)]
    return float(finite.max()) if len(finite) else None


def _pairs(path: str, one: Dataset, other: Dataset) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield the same rows of both datasets, in blocks that suit the first one."""
    others = Boxes(other)
    for start, rows in canonical.dataset_blocks(one):
        part = others[start : start + len(rows)] if other.ndim else others[()]
        yield rows, part.reshape(rows.shape)


def _hashes_of_timings(one: File, other: File) -> set[str]:
    """Return the root attributes that differ, if at all, in hashes that cover timings."""
    records = [Record.of(reading.root_attributes(file), str(file.path)) for file in (one, other)]
    made = [(record.command, record.options, _timeless(record).sources) for record in records]
    if made[0] != made[1]:
        return set()
    timed = {source.role for source in records[0].sources if _has_timings(source)}
    hashes = {name for role, name in file_format.HASH_OF_ROLE.items() if role in timed}
    return {file_format.PROVENANCE_JSON, *hashes}


def _timeless(record: Record) -> Record:
    sources = tuple(
        source.model_copy(update={"sha256": None, "made": _timeless(source.made)})
        if source.made is not None and _has_timings(source)
        else source
        for source in record.sources
    )
    return record.model_copy(update={"sources": sources})


def _has_timings(source: SourceFile) -> bool:
    """Whether a source says what made it, and its hash covers timings of it or of its sources."""
    made = source.made
    if made is None or made.command is None or not made.sources:
        return False
    return made.kind in _TIMED_KINDS or any(_has_timings(behind) for behind in made.sources)
