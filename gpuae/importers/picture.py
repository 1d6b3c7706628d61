"""One image: what its header says, and its pixels, in its own size or in another one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.pillow import opened
from gpuae.storage.files.limits import check_memory

if TYPE_CHECKING:
    from PIL.Image import Image

GREY_MODES = frozenset({"1", "L", "LA", "La"})
DEEP_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
COLOUR_MODES = frozenset(
    {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"},
)
ORIENTATION, LYING = 0x0112, range(5, 9)
"""The tag of EXIF, and its values where the image lies on its side."""
FINER = 2
"""Times the size that is wanted is what JPEG is read in, at least."""
REDUCING_GAP = 3.0
"""Times the size that is wanted is what an image is reduced to by plain means before it is scaled:
the result differs by little, and large images take a fraction of the time."""
BYTES_A_PIXEL = 8
"""Of memory, while it is unpacked, turned and converted."""

TRANSPARENCY = "transparency is left out"
FRAMES = "of several images in a file the first is used"
DEPTH = "16 bits a colour become 8, as Pillow reads them"


@dataclass(frozen=True)
class Picture:
    """An image in a file, upright as its EXIF orientation says."""

    path: Path
    height: int
    width: int
    channels: int
    """1 of grey, 3 of red, green and blue."""
    dtype: np.dtype[Any]
    """uint8, or uint16 of grey."""
    remarks: tuple[str, ...]
    """What a person should hear of, the same words for every image that it is true of."""
    page: int = 0
    """Which of several images in a TIFF it is."""

    @classmethod
    def survey(cls, path: Path, *, grey: bool) -> Picture:
        """Return what an image will be, without its pixels; in `grey` if that is wanted.

        Raises
        ------
        InputError
            When it is no image, too large, damaged as far as it is read, or no kind of grey or
            colour.
        """
        with opened(path) as image:
            return cls._of(path, image, 1 if grey else None)

    @classmethod
    def survey_all(cls, path: Path, channels: int | None) -> list[Picture]:
        """Return what the images in a file will be: several only of a TIFF with several pages.

        Parameters
        ----------
        channels
            1 for grey, 3 for colours; None for what each image has.

        Raises
        ------
        InputError
            As `survey` says.
        """
        with opened(path) as image:
            if image.format != "TIFF" or getattr(image, "n_frames", 1) == 1:
                return [cls._of(path, image, channels)]
            found = []
            for page in range(getattr(image, "n_frames", 1)):
                image.seek(page)
                own = cls._of(path, image, channels)
                remarks = tuple(remark for remark in own.remarks if remark != FRAMES)
                found.append(replace(own, page=page, remarks=remarks))
            return found

    @classmethod
    def _of(cls, path: Path, image: Image, wanted: int | None) -> Picture:
        """Return what an image will be with the channels that are wanted, or with its own."""
        _check_mode(path, image.mode)
        check_memory(BYTES_A_PIXEL * math.prod(image.size), str(path), "cut it into parts")
        remarks = tuple(_remarks(image))
        deep = image.mode in DEEP_MODES
        if deep and wanted == 3:
            raise InputError(
                f"{path}: is grey of 16 bits, which cannot become colours; give --grey"
            )
        width, height = _upright(image)
        channels = wanted or (3 if image.mode in COLOUR_MODES else 1)
        dtype = np.dtype(np.uint16 if deep else np.uint8)
        return cls(path, height, width, channels, dtype, remarks)

    def pixels(self, size: tuple[int, int] | None = None) -> NDArray[Any]:
        """Return its pixels (height, width, channels).

        Parameters
        ----------
        size
            Height and width that it is scaled to, where these are others than its own: as much of
            its middle as has that shape, each pixel a mean of those that it covers, weighted less
            the farther they are from its centre.

        Raises
        ------
        InputError
            When the file is damaged or cut short.
        """
        with opened(self.path) as image:
            return self.pixels_in(image, size)

    def pixels_in(self, image: Image, size: tuple[int, int] | None) -> NDArray[Any]:
        """Return what `pixels` does, of its file when that is open already.

        To find a page Pillow passes all pages before it, once for each time that a file is opened.
        """
        from PIL import ImageOps

        height, width = size or (self.height, self.width)
        scaled = (height, width) != (self.height, self.width)
        if self.page != image.tell():
            image.seek(self.page)
        if scaled:
            self._read_coarsely(image, max(height, width))
        upright = self._converted(ImageOps.exif_transpose(image))
        values = np.asarray(_scaled(upright, height, width) if scaled else upright)
        if values.min() < 0 or values.max() > np.iinfo(self.dtype).max:
            raise InputError(
                f"{self.path}: has values outside of 16 bits; save it as an array (.npy) instead"
            )
        return values.astype(self.dtype).reshape(height, width, self.channels)

    def _read_coarsely(self, image: Image, side: int) -> None:
        """Let JPEG leave out what scaling to that size would blur anyway; nothing else can."""
        mode = "L" if self.channels == 1 and image.mode == "RGB" else None
        image.draft(mode, (FINER * side, FINER * side))

    def _converted(self, image: Image) -> Image:
        """Return it in grey or in colour; grey of colours is luma as in ITU-R BT.601."""
        image.info.pop("transparency", None)  # Pillow warns of what it cannot convert
        if image.mode in DEEP_MODES:
            return image
        if image.mode in GREY_MODES:
            grey = image.convert("L")
            return grey if self.channels == 1 else grey.convert("RGB")
        colour = image.convert("RGB")
        return colour if self.channels == 3 else colour.convert("L")


def _scaled(image: Image, height: int, width: int) -> Image:
    """Return the middle of an image in another size."""
    from PIL.Image import Resampling

    scale = min(image.width / width, image.height / height)
    left, upper = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    right, lower = left + scale * width, upper + scale * height
    box = (left, upper, min(right, image.width), min(lower, image.height))
    deep = image.mode in DEEP_MODES
    values = image.convert("F") if deep else image
    found = values.resize((width, height), Resampling.BILINEAR, box, reducing_gap=REDUCING_GAP)
    return found.point(lambda value: value + 0.5) if deep else found


def _check_mode(path: Path, mode: str) -> None:
    if mode not in GREY_MODES | DEEP_MODES | COLOUR_MODES:
        raise InputError(
            f"{path}: holds values of Pillow's mode {mode}, which are neither grey of 8 or 16 bits "
            "nor colours; save it as an array (.npy) instead"
        )


def _upright(image: Image) -> tuple[int, int]:
    """Return width and height once it is turned; Pillow turns TIFF by itself in reading it."""
    if image.getexif().get(ORIENTATION, 1) not in LYING:
        return image.size
    if image.format == "TIFF":
        image.load()
        return image.size
    return image.height, image.width


def _remarks(image: Image) -> list[str]:
    true = {
        TRANSPARENCY: image.mode[-1] in "Aa" or "transparency" in image.info,
        FRAMES: getattr(image, "n_frames", 1) > 1,
        DEPTH: image.mode in COLOUR_MODES and _is_deep(image),
    }
    return [remark for remark, holds in true.items() if holds]


def _is_deep(image: Image) -> bool:
    """Whether what Pillow unpacks has 16 bits a colour, by its name of how that is stored."""
    stored = (tile[3] for tile in getattr(image, "tile", ()))
    modes = (str(own[0] if isinstance(own, tuple) and own else own) for own in stored)
    return any(";16" in mode for mode in modes)
