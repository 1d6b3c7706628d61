"""--dry-run: what a command would take, in words."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import print_json, say, tell

if TYPE_CHECKING:
    from gpuae.foretelling import Foretold

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only say about how long it would take, and how much memory."
)


def process_began() -> float:
    """Return when this process began, by `time.perf_counter`.

    Until now it has loaded libraries, which one thread does.
    """
    return time.perf_counter() - time.process_time()


def tell_foretold(own: Foretold, output: Path, *, as_json: bool = False) -> None:
    """Print what a command would take."""
    if as_json:
        print_json(asdict(own) | {"fits": own.fits})
        return
    from gpuae.durations import worded

    most = "at most " if own.may_stop_early else ""
    epochs = f" for {most}{own.epochs:,} epochs" if own.epochs else ""
    tell(f"would take {most}about {worded(own.seconds)}{epochs}")
    tell(f"memory: about {amount(own.memory)} in all")
    tell(f"output: about {amount(own.output)} in {output}; nothing was written")
    if not own.fits:
        say("note: this machine has less memory left; see --memory, or lower hidden or batch_size")


def amount(size: int) -> str:
    """Word an amount of bytes in the largest unit of which there is one."""
    for unit, power in (("GB", 30), ("MB", 20)):
        if size >= 1 << power:
            return f"{size / (1 << power):.3g} {unit}"
    return f"{size / 1024:.0f} kB"
