"""Arrays in the format of safetensors: a header of JSON, and the values one after the other.

Source: github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange.value_types import OF_SAFETENSORS, WRITTEN
from gpuae.storage.rows import row_types

LENGTH_BYTES, ALIGNMENT = 8, 8
MOST_HEADER_BYTES = 16 << 20
WIDENED = 2
"""Times as many bytes as are stored are in memory, for values of 16 bits in float32."""
METADATA = "__metadata__"
ADVICE = "copy it or save it again"


def packed(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> bytes:
    """Return a file of named arrays, the widest types first so that all values are aligned."""
    header: dict[str, Any] = {METADATA: dict(about)}
    values, place = [], 0
    for name in sorted(arrays, key=lambda own: (-arrays[own].itemsize, own)):
        own = arrays[name]
        kind = WRITTEN[own.dtype]
        content = np.ascontiguousarray(own).astype(kind.stored, copy=False).tobytes()
        header[name] = {
            "dtype": kind.safetensors,
            "shape": list(own.shape),
            "data_offsets": [place, place + len(content)],
        }
        values.append(content)
        place += len(content)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return b"".join((len(text).to_bytes(LENGTH_BYTES, "little"), text, *values))


def unpacked(content: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, in the order of its header.

    Raises
    ------
    InputError
        For whatever is not as the format has it.
    """
    header, values = _parts(content, source)
    arrays: dict[str, NDArray[Any]] = {}
    left = WIDENED * len(values)
    for name, entry in header.items():
        if name != METADATA:
            arrays[name] = _array(entry, values, f"{source}::{name}")
            left -= arrays[name].nbytes
            if left < 0:
                raise InputError(f"{source}: has arrays that share their values; {ADVICE}")
    return arrays


def metadata(content: bytes, source: str) -> dict[str, str]:
    """Return the texts that a file has beside its arrays.

    Raises
    ------
    InputError
        As `unpacked` does.
    """
    found = _parts(content, source)[0].get(METADATA)
    texts = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}


def _parts(content: bytes, source: str) -> tuple[dict[str, Any], memoryview]:
    """Return the header, and what comes after it."""
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    begin = LENGTH_BYTES + length
    if len(content) < LENGTH_BYTES or not 2 <= length <= MOST_HEADER_BYTES or begin > len(content):
        raise InputError(f"{source}: is not a safetensors file; {_meant(content)}")
    try:
        header = json.loads(content[LENGTH_BYTES:begin].decode())
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise InputError(f"{source}: is not a safetensors file, its header is no JSON; {ADVICE}")
    return header, memoryview(content)[begin:]


def _meant(content: bytes) -> str:
    """Say what to do with a file that begins as another one."""
    if content[:2] in (b"PK", b"\x80\x02"):
        return "it looks like one of PyTorch; end its name in .pt"
    return ADVICE


def _array(entry: Any, values: memoryview, where: str) -> NDArray[Any]:
    """Return the array that an entry of the header describes."""
    try:
        kind = OF_SAFETENSORS[entry["dtype"]]
        shape = tuple(_counts(entry["shape"]))
        first, last = _counts(entry["data_offsets"])
    except KeyError as error:
        raise InputError(f"{where}: has {error} where a known type is needed; {ADVICE}") from None
    except (TypeError, ValueError):
        raise InputError(f"{where}: is not described as safetensors do; {ADVICE}") from None
    if not row_types.is_possible(shape):
        raise InputError(f"{where}: declares a shape that no array has; {ADVICE}")
    size = math.prod(shape) * kind.stored.itemsize
    if not first <= last <= len(values) or last - first != size:
        raise InputError(f"{where}: its values do not lie in the file; {ADVICE}")
    return kind.values(values[first:last]).reshape(shape)


def _counts(values: Any) -> list[int]:
    if not isinstance(values, list) or not all(type(own) is int and own >= 0 for own in values):
        raise ValueError("no list of sizes")
    return values
