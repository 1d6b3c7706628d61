"""--max-time of commands that stop, and go on where they stopped when they are called again."""

from __future__ import annotations

from typing import Any

import click

NOT_DONE = 3
"""Exit code of a command whose time was over before it was done."""


class TimeType(click.ParamType[float]):
    """A time such as 10min."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Make it seconds."""
        from gpuae.durations import seconds_of

        try:
            return seconds_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


time_option = click.option(
    "--max-time",
    type=TimeType(),
    metavar="TIME",
    help="Stop after so long, such as 90s, 10min or 2h, to go on later.",
)


def stop_here(message: str) -> click.exceptions.Exit:
    """Say how to go on, and return what ends the command."""
    from gpuae.cli.base import say

    say(f"the time is over; {message}")
    return click.exceptions.Exit(NOT_DONE)
