"""Patches of photographs as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.globs import visible
from gpuae.importers.named_files import NamedFiles, has_ending
from gpuae.importers.options import PatchOptions
from gpuae.importers.picture import Picture
from gpuae.importers.pillow import ENDINGS, check_installed
from gpuae.importers.places import BYTES_A_DRAW, Drawn, Layout, Places, Tiles
from gpuae.storage.files.input_file import InputFile, check_plain
from gpuae.storage.files.limits import check_memory
from gpuae.storage.rows.concatenated import by_part
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata


class Patches:
    """A `LazyRows` of patches (n, height·width·channels); one image at a time is in memory."""

    rows_per_chunk = 1

    def __init__(
        self, pictures: Sequence[Picture], size: tuple[int, int], layout: Layout, count: int
    ) -> None:
        self._pictures, self._size, self._layout = pictures, size, layout
        self._channels = pictures[0].channels
        self.shape = (count, math.prod(size) * self._channels)
        self.dtype: np.dtype[Any] = pictures[0].dtype
        self._held: tuple[int, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Cut some patches.

        Raises
        ------
        InputError
            When an image cannot be read.
        """
        start, stop, _ = rows.indices(len(self))
        block = np.empty((max(0, stop - start), *self._size, self._channels), self.dtype)
        for image, row, until in by_part(self._layout.ends, start, stop):
            places = self._layout.places(image, row, until)
            block[row - start : until - start] = self._cut(image, places)
        return block.reshape(len(block), -1)

    def _cut(self, image: int, places: Places) -> NDArray[Any]:
        """Return patches (m, height, width, channels)."""
        views = np.lib.stride_tricks.sliding_window_view(self._pixels(image), self._size, (0, 1))
        return np.moveaxis(views[places], 1, -1)

    def _pixels(self, image: int) -> NDArray[Any]:
        if self._held is None or self._held[0] != image:
            self._held = None
            self._held = image, self._pictures[image].pixels()
        return self._held[1]


def image_files(path: Path) -> tuple[Path, ...]:
    """Return an image's file, or those that a folder holds, in the order of their names.

    Raises
    ------
    InputError
        When a folder holds none.
    """
    if not path.is_dir():
        return (path,)
    found = sorted(filter(has_ending, visible(path)))
    if not found:
        raise InputError(
            f"{path}: is a folder without images, whose names end in {', '.join(ENDINGS)}; give "
            "another one"
        )
    return tuple(found)


def load(path: Path, options: PatchOptions) -> Dataset:
    """Return the patches of an image, or of those in a folder, as rows that are images.

    Raises
    ------
    InputError
        Where Pillow is missing; for files that are no images, damaged ones, images that are smaller
        than a patch, and images in a folder of which not all are grey or not all have colours.
    """
    files = image_files(path)
    file = NamedFiles(path, files) if path.is_dir() else InputFile(path)
    check_installed(path)
    pictures = [_surveyed(file, options) for file in files]
    _check_alike(path, pictures)
    size, count = options.size, options.count
    if count is None:
        tiles = Tiles(pictures, size)
        rows = Patches(pictures, size, tiles, int(tiles.ends[-1]))
    else:
        check_memory(BYTES_A_DRAW * count, str(path), "lower --count")
        rows = Patches(pictures, size, Drawn(pictures, size, count, options.seed), count)
    channels = pictures[0].channels
    return Dataset(
        rows,
        str(path),
        metadata=RowMetadata(image_shape=size if channels == 1 else (*size, channels)),
        file=file,
        notes=tuple(_notes(path, pictures, options)),
    )


def _surveyed(file: Path, options: PatchOptions) -> Picture:
    check_plain(file)
    picture = Picture.survey(file, grey=options.grey)
    height, width = options.size
    if picture.height < height or picture.width < width:
        raise InputError(
            f"{file}: has {picture.height}x{picture.width} pixels (height by width), smaller than "
            f"a patch of {height}x{width}; give smaller --patches or a larger image"
        )
    return picture


def _check_alike(path: Path, pictures: Sequence[Picture]) -> None:
    """Refuse images whose patches are not rows of the same kind."""
    first = pictures[0]
    for other in pictures:
        if other.dtype != first.dtype:
            raise InputError(
                f"{path}: {first.path.name} has {_bits(first)} and {other.path.name} "
                f"{_bits(other)} a pixel; convert them to the same"
            )
        if other.channels != first.channels:
            kinds = {1: "is grey", 3: "has colours"}
            raise InputError(
                f"{path}: {first.path.name} {kinds[first.channels]} and {other.path.name} "
                f"{kinds[other.channels]}; give --grey to turn all into grey"
            )


def _bits(picture: Picture) -> str:
    return f"{8 * picture.dtype.itemsize} bits"


def _notes(path: Path, pictures: Sequence[Picture], options: PatchOptions) -> Iterator[str]:
    """Say which parts of the images are not used."""
    if path.is_dir():
        others = len(visible(path)) - len(pictures)
        if others:
            yield f"{path}: {others} of {others + len(pictures)} entries are no images by name"
    remarks = dict.fromkeys(remark for picture in pictures for remark in picture.remarks)
    for remark in remarks:
        yield _told(
            pictures, [picture for picture in pictures if remark in picture.remarks], remark
        )
    if options.count is None:
        height, width = options.size
        cut = [p for p in pictures if p.height % height or p.width % width]
        if cut:
            below, right = cut[0].height % height, cut[0].width % width
            pixels = f"{below} rows and {right} columns of pixels" if len(cut) == 1 else "pixels"
            what = f"{pixels} at the lower and right edge, where no whole tile fits, are not used"
            yield _told(pictures, cut, what)


def _told(pictures: Sequence[Picture], concerned: Sequence[Picture], remark: str) -> str:
    """Say which images a remark is about."""
    if len(concerned) == 1:
        return f"{concerned[0].path}: {remark}"
    return f"{len(concerned)} of {len(pictures)} images: {remark}"
