"""Whole images as rows, one each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.named_files import NamedFiles
from gpuae.importers.options import CHANNELS, ImageOptions, ReadOptions
from gpuae.importers.picture import Picture
from gpuae.importers.pillow import SETTINGS, check_installed, opened
from gpuae.storage.files.input_file import Input, InputFile
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata
from gpuae.training.thread_pool import available_cores

Given = TypeVar("Given")
Made = TypeVar("Made")
MOST_THREADS = 8
CUT = "into rows first, such as by gpuae convert {} patches.h5 --patches 8x8"
AS_THEY_ARE = ImageOptions()


class Images:
    """A `LazyRows` of images (n, height·width·channels), each read when it is asked for."""

    rows_per_chunk = 1

    def __init__(self, pictures: Sequence[Picture], size: tuple[int, int]) -> None:
        self._pictures, self._size = pictures, size
        self.shape = (len(pictures), math.prod(size) * pictures[0].channels)
        self.dtype: np.dtype[Any] = pictures[0].dtype

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read some images, on several threads.

        Raises
        ------
        InputError
            When one cannot be read.
        """
        pictures = self._pictures[rows]
        block = np.empty((len(pictures), self.shape[1]), self.dtype)

        def read(run: range) -> None:
            with opened(pictures[run.start].path) as image:
                for place in run:
                    block[place] = pictures[place].pixels_in(image, self._size).reshape(-1)

        _on_threads(read, _runs(pictures))
        return block


def _runs(pictures: Sequence[Picture]) -> Iterator[range]:
    """Yield the places of images that are read from a file at once: some pages for each thread."""
    for _, own in groupby(range(len(pictures)), lambda place: pictures[place].path):
        places = list(own)
        step = -(-len(places) // MOST_THREADS)
        for start in range(places[0], places[-1] + 1, step):
            yield range(start, min(start + step, places[-1] + 1))


def _on_threads(do: Callable[[Given], Made], items: Iterable[Given]) -> list[Made]:
    """Return what a function makes of each image, on several threads."""
    threads = min(available_cores(), MOST_THREADS)
    with SETTINGS.held(), ThreadPoolExecutor(threads, thread_name_prefix="gpuae image") as pool:
        return list(pool.map(do, items))


def load(file: NamedFiles | InputFile, options: ReadOptions, memory: int) -> Dataset:
    """Return images as rows: those of several files, or the pages of one.

    The names of the files are the row ids, with the page after it where a file has several. If all
    images lie in subfolders, the names of these are the labels.

    Parameters
    ----------
    memory
        Images that take no more bytes are read at once, and others when they are asked for.

    Raises
    ------
    InputError
        Where Pillow is missing; for damaged images, and for images of several sizes or kinds that
        are not to be made alike.
    """
    check_installed(file.path)
    wanted = options.images or AS_THEY_ARE
    pictures = _surveyed(file, wanted)
    _check_alike(file, pictures, wanted)
    size = wanted.size or (pictures[0].height, pictures[0].width)
    channels = pictures[0].channels
    labels = _labels(file, pictures)
    return Dataset(
        row_blocks.load_if_small(Images(pictures, size), memory),
        str(file),
        metadata=RowMetadata(
            y=None if labels is None else np.array(labels),
            row_id=np.array(_ids(file, pictures)),
            image_shape=size if channels == 1 else (*size, channels),
        ),
        file=file,
        notes=tuple(_notes(file, pictures, size, labels, options)),
    )


def load_one(file: InputFile, options: ReadOptions, memory: int) -> Dataset:
    """Return the image in a file as a row, or its pages as rows.

    Raises
    ------
    InputError
        As `load` says, and for a single image whose size is not said: it could be cut.
    """
    wanted = options.images or AS_THEY_ARE
    check_installed(file.path)
    if wanted.size is None and len(Picture.survey_all(file.path, None)) == 1:
        if wanted.channels is not None:
            option = next(name for name in CHANNELS if CHANNELS[name] == wanted.channels)
            raise InputError(
                f"{file}: --{option} is for patches of images; give --patches 8x8 too, or --size "
                "32x32 to make the image one row"
            )
        raise InputError(f"{file}: is an image; cut it {CUT.format(file)}")
    return load(file, options, memory)


def _surveyed(file: NamedFiles | InputFile, wanted: ImageOptions) -> list[Picture]:
    """Look at what all images will be."""
    files = file.files if isinstance(file, NamedFiles) else (file.path,)
    found = _on_threads(lambda path: Picture.survey_all(path, wanted.channels), files)
    return [picture for own in found for picture in own]


def _check_alike(file: Input, pictures: Sequence[Picture], wanted: ImageOptions) -> None:
    """Refuse images that are not rows of the same kind."""
    _check(file, pictures, _bits, "convert them to the same")
    _check(file, pictures, _kind, "give --grey or --colour to fit or convert")
    if wanted.size is None:
        _check(file, pictures, _size, "give --size, such as --size 32x32, to fit or convert")


def _check(
    file: Input, pictures: Sequence[Picture], worded: Callable[[Picture], str], advice: str
) -> None:
    """Refuse images of which not the same is to be said."""
    first = worded(pictures[0])
    other = next((own for own in pictures if worded(own) != first), None)
    if other is not None:
        raise InputError(
            f"{file.path}: {_name(pictures[0])} {first} and {_name(other)} {worded(other)}; "
            f"{advice}"
        )


def _bits(picture: Picture) -> str:
    return f"has {8 * picture.dtype.itemsize} bits a pixel"


def _kind(picture: Picture) -> str:
    return "is grey" if picture.channels == 1 else "has colours"


def _size(picture: Picture) -> str:
    return f"has {picture.height}x{picture.width} pixels (height by width)"


def _name(picture: Picture) -> str:
    page = f" (page {picture.page + 1})" if picture.page else ""
    return f"{picture.path.name}{page}"


def _ids(file: NamedFiles | InputFile, pictures: Sequence[Picture]) -> list[str]:
    """Return the name of each image, with its page where its file has several."""
    names = {file.path: file.name}
    if isinstance(file, NamedFiles):
        names = dict(zip(file.files, file.names, strict=True))
    counts = Counter(picture.path for picture in pictures)
    return [
        f"{names[own.path]}:{own.page + 1}" if counts[own.path] > 1 else names[own.path]
        for own in pictures
    ]


def _labels(file: Input, pictures: Sequence[Picture]) -> list[str] | None:
    """Return the subfolder of each image; None where that says nothing."""
    folders = file.folders if isinstance(file, NamedFiles) else None
    if not isinstance(file, NamedFiles) or folders is None:
        return None
    label = dict(zip(file.files, folders, strict=True))
    return [label[picture.path] for picture in pictures]


def _notes(
    file: NamedFiles | InputFile,
    pictures: Sequence[Picture],
    size: tuple[int, int],
    labels: list[str] | None,
    options: ReadOptions,
) -> Iterator[str]:
    """Say which files are not used, and what becomes of the images."""
    if isinstance(file, NamedFiles) and file.others:
        entries = file.others + len(file.files)
        yield f"{file}: {file.others} of {entries} entries are no images by name"
    if labels is not None:
        yield f"the names of the {len(set(labels))} subfolders are taken as the labels y"
    scaled = [own for own in pictures if (own.height, own.width) != size]
    if scaled:
        why = f", as {options.names_of} needs them" if options.names_of else ""
        cut = [own for own in scaled if own.height * size[1] != own.width * size[0]]
        middle = f"; of {len(cut)} only the middle has that shape" if cut else ""
        yield (
            f"{len(scaled)} of {len(pictures)} images are scaled to {size[0]}x{size[1]} pixels"
            f"{why}{middle}"
        )
    for remark in dict.fromkeys(remark for own in pictures for remark in own.remarks):
        count = sum(remark in own.remarks for own in pictures)
        yield f"{count} of {len(pictures)} images: {remark}"
