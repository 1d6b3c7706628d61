"""Arrays out of the archives that `torch.save` writes."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.exchange import torch_unpickle
from gpuae.exchange.archive import ADVICE, Archive, opened
from gpuae.exchange.torch_unpickle import Storage, Tensor
from gpuae.storage.files.limits import check_memory

ABOUT = "gpuae.json"
"""Member that says what an exported model is, in `gpuae.exchange.about`'s words."""
MOST_PICKLE_BYTES = 16 << 20
"""It names the tensors and holds none of their values."""


def read(file: IO[bytes], source: str) -> tuple[dict[str, NDArray[Any]], str | None]:
    """Return the tensors of a state dict by name, in its order, and gpuae's text beside them.

    Raises
    ------
    InputError
        Where the file is no such archive, holds no state dict, or is damaged.
    """
    with opened(file, source) as archive:
        folder = _folder(archive)
        _check_order(archive, folder)
        pickle = archive.member(f"{folder}data.pkl", MOST_PICKLE_BYTES)
        tensors = _tensors(torch_unpickle.read(pickle, source), source)
        stored: dict[str, NDArray[Any]] = {}
        arrays = {
            name: _array(tensor, archive, folder, stored, f"{source}::{name}")
            for name, tensor in tensors.items()
        }
        return arrays, _about(archive, folder)


def _about(archive: Archive, folder: str) -> str | None:
    name = f"{folder}{ABOUT}"
    if name not in archive.names:
        return None
    return archive.member(name, MOST_PICKLE_BYTES).decode("utf-8", "replace")


def _folder(archive: Archive) -> str:
    """Return what stands before the names of all members."""
    found = [name for name in archive.names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(found) != 1:
        raise InputError(
            f"{archive.source}: is no file of torch.save, which has one data.pkl; {ADVICE}"
        )
    return found[0].removesuffix("data.pkl")


def _check_order(archive: Archive, folder: str) -> None:
    name = f"{folder}byteorder"
    if name in archive.names and archive.member(name, 64) != b"little":
        raise InputError(
            f"{archive.source}: has its numbers in the order of bytes of another machine; save it "
            "on one as most are"
        )


def _tensors(found: Any, source: str) -> dict[str, Tensor]:
    """Return the tensors of a state dict, or of the only one in a checkpoint."""
    candidates = [found, *found.values()] if isinstance(found, dict) else []
    for own in candidates:
        if isinstance(own, dict) and any(isinstance(value, Tensor) for value in own.values()):
            tensors = {str(name): value for name, value in own.items() if isinstance(value, Tensor)}
            sizes = (math.prod(one.shape) * one.storage.kind.width for one in tensors.values())
            check_memory(sum(sizes), source, "give a smaller model")
            return tensors
    raise InputError(
        f"{source}: holds no state dict; save one by torch.save(model.state_dict(), FILE)"
    )


def _array(
    tensor: Tensor, archive: Archive, folder: str, stored: dict[str, NDArray[Any]], where: str
) -> NDArray[Any]:
    """Return the values of a tensor; those of its storage are kept for others that share it."""
    own = tensor.storage
    if own.key not in stored:
        stored[own.key] = _values(own, archive, f"{folder}data/{own.key}", where)
    values = stored[own.key]
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, values.dtype)
    reach = (step * (n - 1) for n, step in zip(tensor.shape, tensor.strides, strict=True))
    last = tensor.offset + sum(reach)
    if last >= len(values) or math.prod(tensor.shape) > len(values):
        raise InputError(f"{where}: reaches beyond its values; {ADVICE}")
    steps = [step * values.itemsize for step in tensor.strides]
    return np.array(as_strided(values[tensor.offset :], tensor.shape, steps, writeable=False))


def _values(storage: Storage, archive: Archive, name: str, where: str) -> NDArray[Any]:
    size = storage.size * storage.kind.stored.itemsize
    content = archive.member(name, size)
    if len(content) != size:
        raise InputError(f"{where}: has {len(content)} bytes where {size} are needed; {ADVICE}")
    return storage.kind.values(content)
