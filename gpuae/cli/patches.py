"""How images are cut into rows: options of convert."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
MAX_COUNT = 1 << 32
"""Patch numbers are words of 32 bits where positions are drawn."""


def patch_options(function: F) -> F:
    """Add the options; the command gets them as `patches`, None where they are not given."""

    @wraps(function)
    def command(
        *,
        patches: tuple[int, int] | None,
        count: int | None,
        seed: int | None,
        grey: bool,
        **others: Any,
    ) -> Any:
        from gpuae.importers import PatchOptions

        given = {"--count": count is not None, "--seed": seed is not None, "--grey": grey}
        if patches is None and any(given.values()):
            option = next(name for name in given if given[name])
            raise click.UsageError(f"{option} is for patches of images; give --patches 8x8 too")
        if count is None and seed is not None:
            raise click.UsageError("--seed is for patches drawn at random; give --count too")
        options = patches and PatchOptions(patches, count, seed or 0, grey)
        return function(patches=options, **others)

    for option in (_GREY, _SEED, _COUNT, _PATCHES):
        command = option(command)
    return command  # type: ignore[return-value]


def _size(
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
    callback=_size,
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
_GREY = click.option("--grey", is_flag=True, help="Turn colours into grey.")
