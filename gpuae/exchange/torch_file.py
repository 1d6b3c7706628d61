"""A model as a state dict of PyTorch, written without PyTorch, and the lines that load it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.exchange.computation import Matrix, Results
from gpuae.exchange.named_arrays import AS_IN_TORCH
from gpuae.exchange.task import Task, Written
from gpuae.exchange.torch_archive import ABOUT, read
from gpuae.exchange.torch_code import Load, lines
from gpuae.exchange.torch_pickle import state_dict

FOLDER = "model"
"""In the archive; PyTorch takes any."""
ALIGNMENT = 64
"""Bytes; so that PyTorch can map the values."""
HEADER_BYTES, PADDING_ID = 30, 0x4246
"""Of a member of an archive before its name; and the kind of field that PyTorch pads with."""


def written(task: Task) -> Written:
    """Return the file of a model, and the lines that load it."""
    arrays = AS_IN_TORCH.arrays(task.computation)
    content = packed(arrays, task.about.json())
    load = Load("", f"torch.load({str(task.path)!r}, weights_only=True)")
    code = lines(task.computation, arrays, load)

    def run(rows: Matrix) -> Results:
        found, _ = read(io.BytesIO(content), str(task.path))
        return AS_IN_TORCH.computation(found, task.computation).run(rows)

    return Written({task.path: content}, run, code=code)


def packed(arrays: Mapping[str, NDArray[Any]], about: str) -> bytes:
    """Return the archive that `torch.load` reads as a dictionary of tensors.

    It has a text beside them, which PyTorch does not look at.

    Source: caffe2/serialize/inline_container.cc of PyTorch.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", state_dict(arrays))
        _add(archive, "byteorder", b"little")
        for number, own in enumerate(arrays.values()):
            values = np.ascontiguousarray(own).astype(own.dtype.newbyteorder("<"), copy=False)
            _add(archive, f"data/{number}", values.tobytes())
        _add(archive, "version", b"3\n")
        _add(archive, ABOUT, about.encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member whose values begin at a multiple of `ALIGNMENT`."""
    member = zipfile.ZipInfo(f"{FOLDER}/{name}")
    begin = archive.fp.tell() if archive.fp else 0
    used = begin + HEADER_BYTES + len(member.filename) + 4
    padding = -used % ALIGNMENT
    member.extra = PADDING_ID.to_bytes(2, "little") + padding.to_bytes(2, "little") + b"Z" * padding
    archive.writestr(member, content)
