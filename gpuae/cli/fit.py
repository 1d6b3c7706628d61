"""gpuae fit: data and settings in, a model out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpuae.cli.base import (
    PATH,
    data_argument,
    declare,
    json_option,
    output_options,
    print_json,
    trust_options,
)
from gpuae.cli.columns import learning_column_options
from gpuae.cli.fit_lines import figures_of, lines_of, summary_of, tell_lines, with_advice
from gpuae.cli.fit_task import Task
from gpuae.cli.foretold import dry_run_option, process_began, tell_foretold
from gpuae.cli.learning_rows import check_device
from gpuae.cli.page import live_options, wanted_page
from gpuae.cli.patches import image_options
from gpuae.cli.records import Records, record_options
from gpuae.cli.settings import read_settings, setting_options
from gpuae.cli.weights import weight_options

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.importers import ImageOptions, ReadOptions
    from gpuae.training.checkpoint import Checkpoints
    from gpuae.training.fitting import Fit


@declare
@data_argument
@output_options("the model")
@setting_options
@click.option(
    "--init-from", type=PATH, metavar="MODEL", help="Start from the weights of this model."
)
@click.option(
    "--validation-data",
    metavar="DATA",
    help="Hold out the rows of this file instead of a fraction of DATA.",
)
@click.option(
    "--checkpoint", type=PATH, metavar="FILE", help="File that keeps what is needed to continue."
)
@click.option(
    "--checkpoint-every",
    metavar="TIME",
    help="How often to write it: 90s, 5min, 1h, 10epochs [default: 5min].",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint, if there is one.")
@dry_run_option
@live_options
@record_options
@learning_column_options
@image_options
@weight_options
@json_option
@trust_options
def command(
    data: str,
    weights_path: Path | None,
    output: Path,
    config_path: Path | None,
    preset: str | None,
    init_from: Path | None,
    validation_data: str | None,
    checkpoint: Path | None,
    checkpoint_every: str | None,
    resume: bool,
    dry_run: bool,
    live: bool,
    opens: bool,
    port: int | None,
    log: Path | None,
    tensorboard: Path | None,
    force: bool,
    as_json: bool,
    reading: ReadOptions,
    images: ImageOptions | None,
    **settings: str | None,
) -> None:
    """Train an autoencoder on the rows of DATA.

    DATA is a file (HDF5, idx, npy, npz, csv, xlsx, parquet, h5ad, mat), FILE.h5::/path/inside (in
    h5ad for example FILE.h5ad::/layers/counts), a folder of images, several files or 'shards/*.npy'
    as one matrix, - for a table on standard input, or the word digits. No option is needed: the
    settings are chosen from the data, printed and stored in the model.

    \b
    Example:
      gpuae fit rows.csv -o model.h5 --hidden 64,16 --activation relu --epochs 30
      gpuae fit 'shards/*.npy' -o model.h5
    """
    began = process_began()
    from gpuae.importers import files_of
    from gpuae.storage.files.output_file import check_output
    from gpuae.storage.outputs.endings import check_hdf5_name
    from gpuae.verdict import judge

    check_hdf5_name(output, "a model")
    check_output(output, force)
    reading = replace(reading, images=images)
    checkpoints = _checkpoints(checkpoint, checkpoint_every, output, resume=resume, force=force)
    held_out_by_preset = ("validation",) if validation_data else ()
    config = read_settings(config_path, settings, preset, without=held_out_by_preset)
    _check_validation(config, validation_data)
    own_files = (output, checkpoint, config_path)
    inputs = (data, validation_data, init_from, weights_path)
    if dry_run:
        check_device(config)
        task = Task.read(config, inputs, reading, preset, own_files)
        tell_foretold(task.foretell(began), output, as_json=as_json)
        return
    records = Records(log, tensorboard, resume=resume)
    records.check(*own_files, *files_of(data), init_from, weights_path, force=force)
    with records, wanted_page(live, port, opens=opens) as page:
        check_device(config)
        task = Task.read(config, inputs, reading, preset, own_files)
        result, changed = task.fit(output, checkpoints, page, records, force=force)
        summary, verdict = summary_of(result, output), judge(result)
        lines, figures = lines_of(summary, verdict), figures_of(verdict)
        records.tell(summary | figures)
        page.tell(summary["ending"], with_advice(lines, verdict))
        if as_json:
            print_json(summary | figures)
        else:
            tell_lines(lines, verdict)
        _end(result, output, changed)


def _checkpoints(
    path: Path | None, every: str | None, output: Path, *, resume: bool, force: bool
) -> Checkpoints | None:
    from gpuae.storage.files.locked_file import real_path
    from gpuae.training.checkpoint import Checkpoints, Interval

    if path is None:
        if resume:
            raise click.UsageError("--resume needs --checkpoint FILE, which it goes on from")
        if every is not None:
            raise click.UsageError("--checkpoint-every needs --checkpoint FILE to write to")
        return None
    if real_path(path) == real_path(output):
        raise click.UsageError("--checkpoint and --output name the same file; give two")
    interval = Interval() if every is None else Interval.parse(every)
    checkpoints = Checkpoints(path, interval, resume, force)
    checkpoints.check()
    return checkpoints


def _check_validation(config: Config, validation_data: str | None) -> None:
    """Refuse two answers to the question which rows are held out."""
    from gpuae.errors import ConfigError

    if validation_data is not None and "validation" in config.model_fields_set:
        raise ConfigError(
            "validation: is a fraction of the rows, and --validation-data gives rows of their own; "
            "leave one of them out"
        )


def _end(result: Fit, output: Path, changed: Path | None) -> None:
    """Raise what did not go well, now that the model is written."""
    from gpuae.cli.spare import check_unchanged

    check_unchanged(changed, "model", output)
    result.raise_if_diverged()
    if result.interrupted:
        raise KeyboardInterrupt
