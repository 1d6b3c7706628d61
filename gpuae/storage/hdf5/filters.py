"""Which filters the values of a dataset may pass through on their way out of a file."""

from __future__ import annotations

from types import MappingProxyType

from h5py import h5z

from gpuae.storage.files import limits
from gpuae.storage.hdf5.nodes import Dataset

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


def numbers(dataset: Dataset) -> list[int]:
    """Return the filters of a dataset in the order in which they are applied in writing."""
    return [number for number, _ in dataset.filters]


def problem(dataset: Dataset) -> str | None:
    """Return why a dataset's filters are not accepted; None when they are.

    Two compressors one after the other multiply how far a file inflates; nobody writes them.
    """
    applied = numbers(dataset)
    compressors = [number for number in applied if number not in BUILT_IN - COMPRESSORS]
    foreign = [number for number in compressors if number not in COMPRESSORS]
    if len(compressors) > 1:
        return "is compressed more than once; repack it with gzip alone"
    if compressors and set(applied[applied.index(compressors[0]) + 1 :]) - AFTER_COMPRESSOR:
        return "is shuffled after it was compressed; repack it with gzip"
    if h5z.FILTER_LZF in applied and not _lzf_is_usual(dataset, applied):
        return "is compressed by lzf in an unusual way; repack it with gzip"
    return _foreign_problem(foreign[0]) if foreign else None


def _lzf_is_usual(dataset: Dataset, applied: list[int]) -> bool:
    """Whether lzf unpacks into a buffer of a whole chunk, and checksums come after it.

    The size of the buffer is the third number of the filter; HDF5 reads a whole chunk out of it.
    h5py leaves the numbers out for text of any length.
    """
    place = applied.index(h5z.FILTER_LZF)
    options = dataset.filters[place][1]
    unchecked = h5z.FILTER_FLETCHER32 not in applied[:place]
    if not options and dataset.type.is_text_of_any_length:
        return unchecked
    return unchecked and len(options) >= 3 and options[2] >= dataset.chunk_bytes


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
    if not (load_plugin() and h5z.filter_avail(number)):
        return (
            f"uses the filter {name}, for which the package hdf5plugin is needed; "
            "pip install hdf5plugin, or repack it with gzip"
        )
    return None


def load_plugin() -> bool:
    """Register the filters of hdf5plugin with HDF5; return whether it is installed."""
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return False
    return True
