"""gpuae bench: how fast is training here, and does the GPU pay?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import PATH, declare, force_option, json_option, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from gpuae.benchmark.report import Report

WIDTH = 100
"""Of tables that do not go to a terminal."""


@declare
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="NAME",
    help="sparse, deep, denoise, big, small or topk; may be repeated [default: all].",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="cpu, cuda or cuda:N; may be repeated [default: all that exist].",
)
@click.option(
    "--threads", type=click.IntRange(min=1), help="Number of CPU threads [default: all cores]."
)
@click.option(
    "--rounds", type=click.IntRange(min=3), help="Rounds of each case [default: 7; quick: 3]."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="No further round of a case starts after this time.",
)
@click.option(
    "--sweep/--no-sweep",
    default=True,
    show_default=True,
    help="Also time different widths and batch sizes.",
)
@click.option("--quick", is_flag=True, help="Few rows and rounds: less exact, takes half a minute.")
@click.option("--peers", is_flag=True, help="Also time PyTorch and JAX, if they are installed.")
@click.option("--plot", type=PATH, metavar="FILE", help="Draw a chart (.png or .svg).")
@force_option
@json_option
def command(
    cases: tuple[str, ...],
    devices: tuple[str, ...],
    threads: int | None,
    rounds: int | None,
    seconds: float,
    sweep: bool,
    quick: bool,
    peers: bool,
    plot: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Time training on the CPU and the GPU, compared with its bound: the matrix products alone.

    Everything that is timed runs in a process of its own, and they take turns. The data are
    synthetic. This takes some minutes, during which nothing else should run.

    \b
    Example:
      gpuae bench --case sparse --case big --plot speed.png
    """
    from gpuae.benchmark.chart import check_chart, write_chart
    from gpuae.benchmark.study import Study, cases_named, devices_named
    from gpuae.benchmark.sweep import Sweep
    from gpuae.benchmark.turns import Pace

    chosen, (there, no_gpu) = cases_named(cases), devices_named(devices)
    if plot is not None:
        check_chart(plot, force=force)
    pace = Pace(rounds or (3 if quick else 7), seconds, 0.05 if quick else 0.25)
    study = Study(chosen, there, pace, threads, peers, Sweep() if sweep else None)
    report = (study.shortened() if quick else study).run(no_gpu, say)
    if plot is not None:
        write_chart(report, plot, force=force)
        say(f"wrote {plot}")
    if as_json:
        print_json(report.as_dict())
    else:
        _print(report)


def _print(report: Report) -> None:
    """Print the tables and what they come to."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    click.echo("training, medians")
    console.print(_case_table(report))
    for own in report.cases:
        click.echo(f" {own.case.name}: {own.case.what}")
    click.echo(" of bound: time of the matrix products alone, divided by the time of training\n")
    if report.sweep:
        click.echo("rows/s of 784-W-784, relu, bce, by batch size and width W")
        console.print(_sweep_table(report))
    for line in _conclusions(report):
        click.echo(f" {line}")


def _table(texts: int, columns: list[str]) -> Table:
    """Return a table whose first columns are texts and whose others are numbers."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < texts else "right", no_wrap=True)
    return table


def _case_table(report: Report) -> Table:
    columns = ["case", "device", "who", "ms/epoch", "(p20–p80)", "rows/s", "of bound"]
    table = _table(3, [*columns, "speed-up"] if report.gpus else columns)
    for own in report.cases:
        for line in own.lines:
            seconds = line.seconds
            table.add_row(
                own.case.name,
                line.device,
                line.who,
                _digits(1000 * seconds.median),
                f"({_digits(1000 * seconds.p20)}–{_digits(1000 * seconds.p80)})",
                f"{line.rows_per_second:,.0f}",
                f"{line.share_of_bound:.0%}",
                *([f"{_digits(line.speed_up)}×"] if line.speed_up else []),
            )
    return table


def _sweep_table(report: Report) -> Table:
    table = _table(0, ["batch", "width", *report.devices])
    for point in report.sweep:
        speeds = [f"{point.rows_per_second[device]:,.0f}" for device in report.devices]
        table.add_row(str(point.batch_size), str(point.width), *speeds)
    return table


def _digits(value: float) -> str:
    """Word a positive number with three digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".removesuffix(".")


def _conclusions(report: Report) -> Iterator[str]:
    """Yield where each GPU pays, or why that is not known."""
    from gpuae.benchmark.sweep import verdicts

    if report.no_gpu:
        yield f"no GPU was measured: {report.no_gpu}"
    elif "cpu" in report.devices:
        for gpu in report.gpus:
            yield from verdicts(report.sweep, gpu)
