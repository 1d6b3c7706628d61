"""The part of Python's pickle that says how PyTorch's tensors lie in a file, written.

A state dict is an ordered dictionary of tensors; each is rebuilt from a storage, which is a file of
its own in the same archive, by its offset, shape and strides.

Source: Python's `pickletools` for the opcodes; torch/serialization.py and torch/_utils.py for what
they call.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.exchange.value_types import WRITTEN

_START, _END = b"\x80\x02", b"."
_MARK, _TUPLE, _EMPTY_TUPLE, _CALL = b"(", b"t", b")", b"R"
_FALSE, _STORAGE, _ITEMS = b"\x89", b"Q", b"u"
_NO_ITEMS = b"ccollections\nOrderedDict\n" + _EMPTY_TUPLE + _CALL
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def state_dict(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the pickle of named arrays, whose storages are called by their numbers from 0."""
    items = (
        _text(name) + _tensor(str(number), own) for number, (name, own) in enumerate(arrays.items())
    )
    return b"".join((_START, _NO_ITEMS, _MARK, *items, _ITEMS, _END))


def _tensor(key: str, values: NDArray[Any]) -> bytes:
    kind = f"ctorch\n{WRITTEN[values.dtype].torch}\n".encode()
    storage = (_text("storage"), kind, _text(key), _text("cpu"), _whole(values.size))
    steps = [step // values.itemsize for step in np.empty(values.shape, values.dtype).strides]
    shape, strides = (_tuple(*map(_whole, own)) for own in (values.shape, steps))
    arguments = (_tuple(*storage) + _STORAGE, _whole(0), shape, strides, _FALSE, _NO_ITEMS)
    return _REBUILD + _tuple(*arguments) + _CALL


def _tuple(*parts: bytes) -> bytes:
    return b"".join((_MARK, *parts, _TUPLE))


def _text(text: str) -> bytes:
    content = text.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def _whole(number: int) -> bytes:
    """Return an integer; LONG1 holds more than the four bytes of BININT."""
    if number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    return b"\x8a\x08" + struct.pack("<q", number)
