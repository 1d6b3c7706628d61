"""LZF, the compression that h5py brings, unpacked here where HDF5 cannot be trusted to.

A byte below 32 begins a run of so many bytes and one. Any other begins a copy of what was unpacked
before: its upper three bits are the length less 2 (7: the next byte is added), its lower five and
the byte that follows how far back it begins, less 1. Source: M. Lehmann, liblzf 3.6, lzf_d.c.
"""

from __future__ import annotations

RUN = 32
LONG = 7


def unpacked(content: bytes, wanted: int) -> bytes:
    """Return what was packed, which should be `wanted` bytes.

    Raises
    ------
    ValueError
        When it is damaged, or more than that.
    """
    out = bytearray()
    place = 0
    try:
        while place < len(content):
            control = content[place]
            place += 1
            if control < RUN:
                _extend(out, content[place : place + control + 1], control + 1)
                place += control + 1
                continue
            length = control >> 5
            if length == LONG:
                length += content[place]
                place += 1
            distance = ((control & 31) << 8 | content[place]) + 1
            place += 1
            _repeat(out, distance, length + 2)
            if len(out) > wanted:
                break
    except IndexError:
        raise ValueError("a chunk ends too early") from None
    if len(out) > wanted:
        raise ValueError(f"a chunk unpacks to more than {wanted} bytes")
    return bytes(out)


def _extend(out: bytearray, run: bytes, length: int) -> None:
    if len(run) < length:
        raise ValueError("a chunk ends too early")
    out += run


def _repeat(out: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes from `distance` back, which may overlap what they make."""
    start = len(out) - distance
    if start < 0:
        raise ValueError("a chunk refers to what is before it")
    piece = out[start : start + length]
    out += (piece * -(-length // len(piece)))[:length]
