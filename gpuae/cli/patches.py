"""How images become rows, whole or cut: options of convert, and of fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gpuae.importers import ImageOptions

F = TypeVar("F", bound=Callable[..., Any])
MAX_COUNT = 1 << 32
"""Patch numbers are words of 32 bits where positions are drawn."""


def patch_options(function: F) -> F:
    """Add the options of patches; the command gets them as `patches`, None without them.

    They need those of whole images, which say of what colour patches are too.
    """

    @wraps(function)
    def command(
        *,
        patches: tuple[int, int] | None,
        count: int | None,
        seed: int | None,
        images: ImageOptions | None,
        **others: Any,
    ) -> Any:
        from gpuae.importers import PatchOptions

        given = {"--count": count is not None, "--seed": seed is not None}
        if patches is None and any(given.values()):
            option = next(name for name in given if given[name])
            raise click.UsageError(f"{option} is for patches of images; give --patches 8x8 too")
        if count is None and seed is not None:
            raise click.UsageError("--seed is for patches drawn at random; give --count too")
        if patches is None:
            return function(patches=None, images=images, **others)
        grey = images is not None and _are_grey_patches(images)
        return function(
            patches=PatchOptions(patches, count, seed or 0, grey), images=None, **others
        )

    for option in (_SEED, _COUNT, _PATCHES):
        command = option(command)
    return command  # type: ignore[return-value]


def _are_grey_patches(images: ImageOptions) -> bool:
    if images.size is not None or images.channels == 3:
        option = "--colour" if images.size is None else "--size"
        raise click.UsageError(f"{option} is for whole images; leave it or --patches out")
    return True


def image_options(function: F) -> F:
    """Add the options of whole images; the command gets them as `images`, None without them."""

    @wraps(function)
    def command(*, size: tuple[int, int] | None, grey: bool, colour: bool, **others: Any) -> Any:
        from gpuae.importers import ImageOptions

        if grey and colour:
            raise click.UsageError("--grey and --colour exclude each other; leave one of them out")
        channels = 1 if grey else 3 if colour else None
        said = size is not None or channels is not None
        return function(images=ImageOptions(size, channels) if said else None, **others)

    for option in (_COLOUR, _GREY, _SIZE):
        command = option(command)
    return command  # type: ignore[return-value]


def _pixels(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Return height and width."""
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", value, re.ASCII)
    if match is None:
        raise click.BadParameter("needs height and width in pixels with an x between, such as 8x8")
    return int(match[1]), int(match[2])


_PATCHES = click.option(
    "--patches",
    metavar="HEIGHTxWIDTH",
    callback=_pixels,
    help="Cut an image, or a folder of images, into tiles of this size, one row each.",
)
_COUNT = click.option(
    "--count",
    type=click.IntRange(1, MAX_COUNT),
    help="Take this many patches at random positions, instead of tiles side by side.",
)
_SEED = click.option(
    "--seed", type=click.IntRange(0, (1 << 64) - 1), help="Seed of the positions [default: 0]."
)
_SIZE = click.option(
    "--size",
    metavar="HEIGHTxWIDTH",
    callback=_pixels,
    help="Scale images in a folder to this size, each to be one row.",
)
_GREY = click.option("--grey", is_flag=True, help="Turn the colours of images into grey.")
_COLOUR = click.option("--colour", is_flag=True, help="Give grey images three colours too.")
