"""Which filters the values of a dataset may pass through on their way out of a file."""

from __future__ import annotations

from types import MappingProxyType

import h5py
from h5py import h5z

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


def problem(creation: h5py.h5p.PropDCID) -> str | None:
    """Return why a dataset's filters are not accepted; None when they are.

    Two compressors one after the other multiply how far a file inflates; nobody writes them.
    """
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    compressors = [number for number in filters if number not in BUILT_IN - COMPRESSORS]
    foreign = [number for number in compressors if number not in COMPRESSORS]
    if len(compressors) > 1:
        return "is compressed more than once; repack it with gzip alone"
    if compressors and set(filters[filters.index(compressors[0]) + 1 :]) - {h5z.FILTER_FLETCHER32}:
        return "is shuffled after it was compressed; repack it with gzip"
    return _foreign_problem(foreign[0]) if foreign else None


def _foreign_problem(number: int) -> str | None:
    """Return why a filter that HDF5 itself lacks cannot be used."""
    name = OF_PLUGIN.get(number)
    if name is None:
        return "uses a filter other than gzip, lzf, shuffle and fletcher32; repack it with gzip"
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
