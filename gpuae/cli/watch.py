"""gpuae watch: a page that shows how a run goes on elsewhere, from the checkpoint that it keeps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import PATH, declare, say, trust_options
from gpuae.cli.columns import using_column_options
from gpuae.cli.completions import files
from gpuae.cli.page import open_option, port_option

if TYPE_CHECKING:
    from gpuae.importers import ReadOptions
    from gpuae.live.followed import Followed
    from gpuae.live.run import Run
    from gpuae.model.model import Model
    from gpuae.pictures.sample import Sample

LOOK_SECONDS = 1.0


@declare
@click.argument("checkpoint", type=PATH, metavar="CHECKPOINT")
@click.argument("data", metavar="[DATA]", required=False, shell_complete=files())
@open_option
@port_option
@using_column_options
@trust_options
def command(
    checkpoint: Path, data: str | None, opens: bool, port: int | None, reading: ReadOptions
) -> None:
    """Show the progress of a training run that writes CHECKPOINT, on a web page of this machine.

    The page follows the file: curves, weights, and, if DATA is given, reconstructions of some of
    its rows. It waits if the checkpoint does not exist yet, also shows a finished model, and never
    writes. Ctrl-C ends it.

    \b
    Example:
      gpuae watch run.h5 rows.h5 --open     (of a fit with --checkpoint run.h5)
    """
    from gpuae.cli.page import page
    from gpuae.cli.progress import describe
    from gpuae.cli.status_line import hidden
    from gpuae.live.followed import Followed
    from gpuae.live.run import Run, Subject

    _check_folder(checkpoint)
    with hidden(), page(port, opens=opens) as shown:
        run = Run(Subject(str(checkpoint), data or "", buttons=False), describe)
        followed = Followed(checkpoint, run)
        model = followed.look()
        if model is not None:
            run.sample = _sample(checkpoint, model, data, reading)
        shown.serve(run)
        shown.tell("no longer watched", ["gpuae watch has ended; the run itself may go on"])
        if model is None:
            say(f"{checkpoint} is not there yet: waiting for it")
        while True:
            time.sleep(LOOK_SECONDS)
            model = _look(followed, run)
            if model is not None and run.sample is None:
                run.sample = _sample(checkpoint, model, data, reading)


def _check_folder(checkpoint: Path) -> None:
    from gpuae.errors import InputError
    from gpuae.storage.files.input_file import check_readable

    if checkpoint.exists():
        check_readable(checkpoint)
    elif not checkpoint.parent.is_dir():
        raise InputError(f"{checkpoint}: there is no such folder; check its name")


def _look(followed: Followed, run: Run) -> Model | None:
    """Look at the file; what is wrong with it now may be right the next time."""
    from gpuae.errors import InputError

    try:
        return followed.look()
    except InputError as error:
        run.headline = "The checkpoint cannot be read"
        run.note(str(error))
        return None


def _sample(
    checkpoint: Path, model: Model, data: str | None, reading: ReadOptions
) -> Sample | None:
    from gpuae.cli.rows import Job
    from gpuae.live.shown_rows import MOST_ROWS
    from gpuae.pictures.sample import Sample

    if data is None or model.classification is not None:
        return None
    return Sample.of(Job.open(checkpoint, data, reading=reading).dataset, MOST_ROWS)
