"""Pillow, an optional package that only images need."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import check_readable

if TYPE_CHECKING:
    from PIL.Image import Image

EXTRA = "pip install 'gpuae[images]'"
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Those of photographs; Pillow knows others, some of which run other programs."""
ENDINGS = (
    *(".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"II*\0", b"MM\0*", b"GIF87a", b"GIF89a")


def is_image(head: bytes) -> bool:
    """Whether a file that begins with `head` is an image; some formats have no such beginning."""
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def check_installed(path: Path) -> None:
    """Refuse an image where Pillow is missing."""
    if find_spec("PIL") is None:
        raise InputError(f"{path}: images need the package pillow; install it: {EXTRA}")


@contextmanager
def opened(path: Path) -> Iterator[Image]:
    """Open an image and read its description only.

    Raises
    ------
    InputError
        When it is not an image, too large, or damaged in what the block reads.
    """
    from PIL import Image, UnidentifiedImageError

    check_readable(path)
    try:
        with (
            SETTINGS.held(),
            path.open("rb") as file,  # by its name Pillow would map it, and read turned TIFF wrong
            Image.open(file, formats=FORMATS) as image,
        ):
            yield image
    except UnidentifiedImageError:
        raise InputError(
            f"{path}: is no image that can be read ({', '.join(FORMATS)}); leave --patches out, or "
            "save it as PNG"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{path}: has over {Image.MAX_IMAGE_PIXELS} pixels, more than a photograph has; "
            f"cut it into parts, or {limits.ADVICE}"
        ) from None
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as an image ({reason}); copy it again") from None


_DAMAGED = (
    *(OSError, EOFError, ValueError, SyntaxError, TypeError, LookupError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow raises on damaged files."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of Pillow about what it does not need, such as damaged descriptions."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _largest() -> Iterator[None]:
    """Lift Pillow's limit on pixels if sizes are trusted."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    if limits.current() is limits.TRUSTING:
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


class Settings:
    """Settings of Pillow's and of warnings, which are those of the whole process.

    The first thread that opens an image makes them and the last one takes them back, whichever
    order they end in. Who opens many images holds them all the while, for making them takes time.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._made = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have them within the block."""
        with self._lock:
            if not self._users:
                self._made.enter_context(_quiet())
                self._made.enter_context(_largest())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._made.close()


SETTINGS = Settings()
