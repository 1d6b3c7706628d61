"""How recordings become rows: options of convert."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
MOST_RATE = 10_000_000


def sound_options(function: F) -> F:
    """Add the options; the command gets them as `sound`, None without --sound."""

    @wraps(function)
    def command(
        *,
        sound: bool,
        window: float | None,
        hop: float | None,
        rate: int | None,
        amplitude: bool,
        **others: Any,
    ) -> Any:
        from gpuae.importers import SoundOptions

        times: dict[str, Any] = {"window": window, "hop": hop}
        given = {**times, "rate": rate, "amplitude": amplitude or None}
        said = {name: value for name, value in given.items() if value is not None}
        if said and not sound:
            raise click.UsageError(f"--{next(iter(said))} is for recordings; give --sound too")
        return function(sound=SoundOptions(**said) if sound else None, **others)

    for option in (_AMPLITUDE, _RATE, _HOP, _WINDOW, _SOUND):
        command = option(command)
    return command  # type: ignore[return-value]


def _seconds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a time in seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(ms|s)", value, re.ASCII)
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match else 0.0
    if not 0 < seconds <= 3600:
        raise click.BadParameter("needs a time with its unit, such as 25ms or 0.5s")
    return seconds


_SOUND = click.option(
    "--sound", is_flag=True, help="Make rows of WAV recordings: the spectra of short pieces."
)
_WINDOW = click.option(
    "--window", metavar="TIME", callback=_seconds, help="Length of a piece [default: 25ms]."
)
_HOP = click.option(
    "--hop",
    metavar="TIME",
    callback=_seconds,
    help="Time from the beginning of a piece to that of the next [default: 10ms].",
)
_RATE = click.option(
    "--rate",
    type=click.IntRange(1, MOST_RATE),
    help="Samples a second that recordings are brought to [default: their own].",
)
_AMPLITUDE = click.option("--amplitude", is_flag=True, help="Amplitudes instead of levels in dB.")
