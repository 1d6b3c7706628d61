"""Which filters the values of a dataset may pass through on their way out of a file."""

from __future__ import annotations

import math
from types import MappingProxyType

import h5py
from h5py import h5t, h5z

from gpuae.storage.files import limits

COMPRESSORS = frozenset({h5z.FILTER_DEFLATE, h5z.FILTER_LZF})
BUILT_IN = COMPRESSORS | {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
OF_PLUGIN = MappingProxyType(
    {
        307: "bzip2",
        32001: "blosc",
        32004: "lz4",
        32008: "bitshuffle",
        32013: "zfp",
        32015: "zstd",
        32017: "sz",
        32018: "fcidecomp",
        32024: "sz3",
        32026: "blosc2",
        32028: "sperr",
        32033: "htj2k",
    }
)
"""Filters that the package hdf5plugin brings, by the number under which they are registered."""


AFTER_COMPRESSOR = frozenset({h5z.FILTER_FLETCHER32})
EXTRA_BYTES = 4096
"""Beyond a hundredth of its size, by which a compressor may make a chunk larger."""


def numbers(creation: h5py.h5p.PropDCID) -> list[int]:
    """Return the filters of a dataset in the order in which they are applied in writing."""
    return [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]


def problem(dataset: h5py.Dataset) -> str | None:
    """Return why a dataset's filters are not accepted; None when they are.

    Two compressors one after the other multiply how far a file inflates; nobody writes them.
    """
    applied = numbers(dataset.id.get_create_plist())
    compressors = [number for number in applied if number not in BUILT_IN - COMPRESSORS]
    foreign = [number for number in compressors if number not in COMPRESSORS]
    if len(compressors) > 1:
        return "is compressed more than once; repack it with gzip alone"
    if compressors and set(applied[applied.index(compressors[0]) + 1 :]) - AFTER_COMPRESSOR:
        return "is shuffled after it was compressed; repack it with gzip"
    if h5z.FILTER_LZF in applied and not _lzf_is_usual(dataset, applied):
        return "is compressed by lzf in an unusual way; repack it with gzip"
    return _foreign_problem(foreign[0]) if foreign else None


def chunk_bytes(dataset: h5py.Dataset) -> int:
    """Return the size of one chunk, unpacked."""
    return int(math.prod(dataset.chunks) * dataset.id.get_type().get_size())


def is_text_of_any_length(dataset: h5py.Dataset) -> bool:
    """Whether the values are strings of variable length."""
    stored = dataset.id.get_type()
    return isinstance(stored, h5t.TypeStringID) and bool(stored.is_variable_str())


def _lzf_is_usual(dataset: h5py.Dataset, applied: list[int]) -> bool:
    """Whether lzf unpacks into a buffer of a whole chunk, and checksums come after it.

    The size of the buffer is the third number of the filter; HDF5 reads a whole chunk out of it.
    h5py leaves the numbers out for text of any length, whose chunks are unpacked here before.
    """
    place = applied.index(h5z.FILTER_LZF)
    options = dataset.id.get_create_plist().get_filter(place)[2]
    unchecked = h5z.FILTER_FLETCHER32 not in applied[:place]
    if not options and is_text_of_any_length(dataset):
        return unchecked
    return unchecked and len(options) >= 3 and options[2] >= chunk_bytes(dataset)


def _foreign_problem(number: int) -> str | None:
    """Return why a filter that HDF5 itself lacks cannot be used."""
    name = OF_PLUGIN.get(number)
    if name is None:
        return "uses a filter other than gzip, lzf, shuffle and fletcher32; repack it with gzip"
    if not limits.filters_allowed():
        return (
            f"uses the filter {name}, which is left to code of the package hdf5plugin; "
            f"{limits.FILTERS_ADVICE}, or repack it with gzip"
        )
    if not _plugin_has(number):
        return (
            f"uses the filter {name}, for which the package hdf5plugin is needed; "
            "pip install hdf5plugin, or repack it with gzip"
        )
    return None


def _plugin_has(number: int) -> bool:
    """Whether hdf5plugin is installed, which registers its filters when it is imported."""
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return False
    return bool(h5z.filter_avail(number))
