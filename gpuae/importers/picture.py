"""One image: what its header says, and its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
            _check_mode(path, image.mode)
            pixels = math.prod(image.size)
            check_memory(BYTES_A_PIXEL * pixels, str(path), "cut it into parts")
            remarks = tuple(_remarks(image))
            width, height = _upright(image)
            deep = image.mode in DEEP_MODES
            channels = 3 if image.mode in COLOUR_MODES and not grey else 1
            dtype = np.dtype(np.uint16 if deep else np.uint8)
            return cls(path, height, width, channels, dtype, remarks)

    def pixels(self) -> NDArray[Any]:
        """Return its pixels (height, width, channels).

        Raises
        ------
        InputError
            When the file is damaged or cut short.
        """
        from PIL import ImageOps

        with opened(self.path) as image:
            values = np.asarray(self._converted(ImageOps.exif_transpose(image)))
        if values.min() < 0 or values.max() > np.iinfo(self.dtype).max:
            raise InputError(
                f"{self.path}: has values outside of 16 bits; save it as an array (.npy) instead"
            )
        return values.astype(self.dtype).reshape(self.height, self.width, self.channels)

    def _converted(self, image: Image) -> Image:
        """Return it in grey or in colour; grey of colours is luma as in ITU-R BT.601."""
        image.info.pop("transparency", None)  # Pillow warns of what it cannot convert
        if image.mode in DEEP_MODES:
            return image
        if image.mode in GREY_MODES:
            return image.convert("L")
        colour = image.convert("RGB")
        return colour if self.channels == 3 else colour.convert("L")


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
