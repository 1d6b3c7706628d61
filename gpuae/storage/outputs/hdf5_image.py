"""HDF5 files that are made in memory, as the bytes that a file then gets."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import h5py

from gpuae.storage.content_hash import file_hash
from gpuae.storage.file_format import LIBVER

Build = Callable[[h5py.File], None]


def image_of(build: Build) -> bytes:
    """Return the bytes of an HDF5 file that `build` fills."""
    # HDF5 refuses two open files of one name, in memory too
    name = f"memory-{secrets.token_hex(8)}"
    with h5py.File(name, "w", driver="core", backing_store=False, libver=LIBVER) as file:
        build(file)
        file.flush()
        return bytes(file.id.get_file_image())


def image_with_hash(build: Build) -> bytes:
    """Return the bytes of an HDF5 file that `build` fills, with its content hash."""

    def with_hash(file: h5py.File) -> None:
        build(file)
        file_hash.reserve(file)
        file_hash.write(file)

    return image_of(with_hash)
