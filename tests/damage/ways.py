"""Ways in which a file can be damaged."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

TELLING_NUMBERS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield changed copies of a file; the same ones for the same seed.

    Half of the changes fall on bytes that are not zero: what lies between is mostly padding.
    """
    chosen = random.Random(seed)
    filled = [place for place, value in enumerate(content) if value]
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(chosen.choice((1, 1, 1, 2, 4, 16))):
            among = filled if chosen.random() < 0.5 else range(len(content))
            chosen.choice(CHANGES)(changed, chosen.choice(among), chosen)
        yield bytes(changed)


def cuts(content: bytes, count: int) -> Iterator[bytes]:
    """Yield beginnings of a file, of lengths from none to all but one byte."""
    for index in range(count):
        yield content[: index * (len(content) - 1) // max(1, count - 1)]


def _any_byte(content: bytearray, place: int, chosen: random.Random) -> None:
    content[place] = chosen.randrange(256)


def _one_bit(content: bytearray, place: int, chosen: random.Random) -> None:
    content[place] ^= 1 << chosen.randrange(8)


def _number(content: bytearray, place: int, chosen: random.Random) -> None:
    """Put a number that is likely to be taken for a size, in either byte order."""
    width = chosen.choice(("H", "I", "Q"))
    number = chosen.choice(TELLING_NUMBERS) % 2 ** (8 * struct.calcsize(width))
    octets = struct.pack(chosen.choice("<>") + width, number)
    content[place : place + len(octets)] = octets[: len(content) - place]


def _copied_run(content: bytearray, place: int, chosen: random.Random) -> None:
    """Put bytes of another place here: names, addresses and sizes that are valid elsewhere."""
    length = min(chosen.choice((1, 4, 8, 16, 64)), len(content) - place)
    start = chosen.randrange(len(content) - length + 1)
    content[place : place + length] = content[start : start + length]


CHANGES = (_any_byte, _one_bit, _number, _copied_run)
