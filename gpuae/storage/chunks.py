"""Chunks that unpack to more than they declare.

HDF5 (2.0.0 was examined) unpacks a gzipped chunk to its end, however much that is, and only then
compares it with the size that the dataset declares: a chunk of 1 kB that is stored as 1.6 MB took
1.6 GB of memory.
"""

from __future__ import annotations

import math
import zlib

import h5py
from h5py import h5z

from gpuae.storage import limits

MAX_DEFLATION = 1032
"""Deflate cannot shrink anything further."""
_STORED_EXTRA = 4096
"""Bytes and hundredths by which a compressor may make a chunk larger than it was."""
_STEP_BYTES = 1 << 20


def size_problem(dataset: h5py.Dataset) -> str | None:
    """Return why the chunks' sizes are not accepted, without reading one; None when they are."""
    declared = chunk_bytes(dataset)
    most = limits.current().chunk_bytes
    if declared > most:
        return (
            f"has chunks larger than {most >> 20} MiB; write it with smaller ones, "
            f"or {limits.ADVICE}"
        )
    if _largest_stored(dataset) > declared + declared // 100 + _STORED_EXTRA:
        return "has chunks that store more than they declare; make the file again"
    return None


def chunk_bytes(dataset: h5py.Dataset) -> int:
    """Return the size of one chunk when it is unpacked."""
    return int(math.prod(dataset.chunks) * dataset.id.get_type().get_size())


def _largest_stored(dataset: h5py.Dataset) -> int:
    largest = 0

    def look(chunk: h5py.h5d.StoreInfo) -> None:
        nonlocal largest
        largest = max(largest, chunk.size)

    dataset.id.chunk_iter(look)
    return largest


def inflation_problem(dataset: h5py.Dataset) -> str | None:
    """Return why a chunk of a dataset must not be unpacked by HDF5; None when all may.

    Only chunks that are stored so large that they could take more than the limit are looked into.
    """
    position = _place_of_deflate(dataset)
    most = limits.current().chunk_bytes
    if position is None or MAX_DEFLATION * _largest_stored(dataset) <= most:
        return None
    suspects: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(
        lambda chunk: suspects.append(chunk) if MAX_DEFLATION * chunk.size > most else None
    )
    for chunk in suspects:
        skipped, stored = dataset.id.read_direct_chunk(chunk.chunk_offset)
        if not skipped >> position & 1 and _unpacks_beyond(stored, chunk_bytes(dataset)):
            return "has a chunk that unpacks to more than it declares; make the file again"
    return None


def _place_of_deflate(dataset: h5py.Dataset) -> int | None:
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    return filters.index(h5z.FILTER_DEFLATE) if h5z.FILTER_DEFLATE in filters else None


def _unpacks_beyond(stored: bytes, declared: int) -> bool:
    """Unpack a chunk by small steps, keeping none of them; a checksum may follow the values."""
    unpacker = zlib.decompressobj()
    total = 0
    try:
        while not unpacker.eof:
            step = unpacker.decompress(stored, _STEP_BYTES)
            stored = unpacker.unconsumed_tail
            total += len(step)
            if total > declared + _STORED_EXTRA:
                return True
            if not step and not stored:
                return False
    except zlib.error:
        return False
    return False
