"""gpuae fit: data and settings in, a model out."""

from __future__ import annotations

from itertools import count
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import (
    PATH,
    data_argument,
    declare,
    json_option,
    output_options,
    print_json,
    say,
)
from gpuae.cli.settings import read_settings, setting_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.config import Config
    from gpuae.storage.dataset import Dataset
    from gpuae.training.fitting import Fit

MEASURED_ROWS = 2000
"""At most so many held-out rows are measured after training."""
LITTLE_EXPLAINED = 0.5


@declare
@data_argument
@output_options("the model")
@setting_options
@click.option(
    "--init-from", type=PATH, metavar="MODEL", help="Start from the weights of this model."
)
@json_option
def command(
    data: str,
    output: Path,
    config_path: Path | None,
    init_from: Path | None,
    force: bool,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Train an autoencoder on the rows of DATA.

    DATA is a file (HDF5, idx, npy, npz, csv, h5ad, mat), FILE.h5::/path/inside (of h5ad, such as
    FILE.h5ad::/layers/counts), or the word digits. Without any option the settings suit most data;
    what was chosen is printed and stored in the model.

    \b
    Example:
      gpuae fit rows.csv -o model.h5 --hidden 64,16 --activation relu --epochs 30
    """
    from gpuae.cli.progress import watching
    from gpuae.importers import open_data
    from gpuae.memory import data_memory
    from gpuae.model.model import Model
    from gpuae.storage.dataset import check_distinct, check_finite, check_output
    from gpuae.storage.mapped import in_place
    from gpuae.training.fitting import fit

    check_output(output, force)
    config = read_settings(config_path, settings)
    _tell_device(config)
    initial = Model.load(init_from) if init_from else None
    dataset = open_data(data, memory=data_memory(config.memory))
    check_distinct(output, dataset.source_path, init_from)
    check_finite(dataset.x, dataset.source)
    for note in dataset.notes:
        say(f"note: {note}")
    with in_place(dataset.x) as x:
        with watching() as observer:
            result = fit(
                x,
                config,
                observer=observer,
                initial=initial,
                attributes=_provenance(dataset, init_from),
                feature_names=dataset.feature_names,
                image_shape=dataset.image_shape,
            )
        _save(result, output, force=force)
        summary = _summary(result, output) | _explained(result, x, config)
    if as_json:
        print_json(summary)
    else:
        _tell(summary)
    result.raise_if_diverged()
    _exit_if_interrupted(result)


def _save(result: Fit, output: Path, *, force: bool) -> None:
    """Write the model; if its name was taken during training, under the next free one."""
    from gpuae.errors import OutputError

    try:
        result.model.save(output, force=force)
    except OutputError as error:
        numbered = (output.with_stem(f"{output.stem}-{number}") for number in count(1))
        spare = next(path for path in numbered if not path.exists())
        result.model.save(spare)
        raise OutputError(f"{error}; the model is in {spare}") from None


def _tell_device(config: Config) -> None:
    """Say what `auto` comes to, before the work; a device that is not there ends it here."""
    from gpuae.backends import needs_compiling, resolve_device

    device = resolve_device(config.device)
    if config.device == "auto":
        say(f"device {device.name}: {device.reason}")
    if needs_compiling(device):
        say("compiling for this CPU, once: some seconds now and for each new kind of network")


def _provenance(dataset: Dataset, init_from: Path | None) -> dict[str, str | int | float]:
    from gpuae.storage import provenance

    sources = [provenance.source_file("data", dataset.source_path, dataset.source)]
    if init_from is not None:
        sources.append(provenance.source_file("init_from", init_from, str(init_from)))
    return provenance.attributes("fit", sources)


def _summary(result: Fit, output: Path) -> dict[str, Any]:
    history = result.course.history.records
    best = result.course.best_epoch
    kept = history[best - 1] if best else None
    return {
        "model": str(output),
        "ending": result.course.ending.value,
        "epochs": len(history),
        "best_epoch": best,
        "loss": kept.loss if kept else None,
        "val_loss": kept.val_loss if kept and not isnan(kept.val_loss) else None,
        "seconds": sum(record.seconds for record in history),
        "device": result.device.name,
        "config": result.model.config.stored(),
    }


def _explained(result: Fit, x: NDArray[Any], config: Config) -> dict[str, Any]:
    """Measure what the model makes of some rows that it was not trained on, if there are any."""
    from gpuae.evaluation import explained_variance

    rows = result.unseen[:MEASURED_ROWS]
    if len(rows) < 2:
        return {"explained_variance": None, "measured_rows": 0}
    share = explained_variance(result.model, x[rows], device=config.device, threads=config.threads)
    return {"explained_variance": share, "measured_rows": len(rows)}


def _tell(summary: dict[str, Any]) -> None:
    click.echo(f"{summary['ending']} after {summary['epochs']} epochs", nl=False)
    click.echo(f" in {summary['seconds']:.1f} s")
    if summary["loss"] is not None:
        val = f", val_loss {summary['val_loss']:.6g}" if summary["val_loss"] is not None else ""
        click.echo(f"kept epoch {summary['best_epoch']}: loss {summary['loss']:.6g}{val}")
    explained = summary["explained_variance"]
    if explained is not None:
        rows = summary["measured_rows"]
        click.echo(f"explained variance of {rows} held-out rows: {explained:.1%}")
        if explained < LITTLE_EXPLAINED:
            say(
                "note: that is little; more epochs, a smaller batch_size, scale=standard or a "
                "weaker penalty may help"
            )
    click.echo(f"wrote {summary['model']}")


def _exit_if_interrupted(result: Fit) -> None:
    from gpuae.training.trainer import Ending

    if result.course.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
