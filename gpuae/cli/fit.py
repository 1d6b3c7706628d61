"""gpuae fit: data and settings in, a model out."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
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
    tell,
    trust_options,
)
from gpuae.cli.columns import learning_column_options
from gpuae.cli.foretold import dry_run_option, process_began, tell_foretold
from gpuae.cli.page import NoPage, live_options, wanted_page
from gpuae.cli.patches import image_options
from gpuae.cli.records import Records, record_options
from gpuae.cli.settings import read_settings, setting_options
from gpuae.cli.weights import Weights, weight_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.config import Config
    from gpuae.foretelling import Foretold
    from gpuae.importers import ImageOptions, ReadOptions
    from gpuae.model.model import Model
    from gpuae.pictures.sample import Sample
    from gpuae.storage.files.input_file import Input, InputFile
    from gpuae.storage.outputs.small_output import SmallOutput
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.training.checkpoint import Checkpoints
    from gpuae.training.fitting import Fit
    from gpuae.training.history import Observer
    from gpuae.verdict import Verdict


GO_ON = "to go on from here, give the same command with --resume"


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
        tell_device(config)
        task = _Task.read(config, inputs, reading, preset, own_files)
        tell_foretold(task.foretell(began), output, as_json=as_json)
        return
    records = Records(log, tensorboard, resume=resume)
    records.check(*own_files, *files_of(data), init_from, weights_path, force=force)
    with records, wanted_page(live, port, opens=opens) as page:
        tell_device(config)
        task = _Task.read(config, inputs, reading, preset, own_files)
        result, changed = task.fit(output, checkpoints, page, records, force=force)
        summary, verdict = _summary(result, output), judge(result)
        lines, figures = _lines(summary, verdict), _figures(verdict)
        records.tell(summary | figures)
        page.tell(summary["ending"], _with_advice(lines, verdict))
        if as_json:
            print_json(summary | figures)
        else:
            _tell(lines, verdict)
        _end(result, output, changed)


@dataclass(frozen=True)
class _Task:
    """What is trained on: the settings, and what was read."""

    config: Config
    preset: str | None
    reading: ReadOptions
    dataset: Dataset
    held_out: Dataset | None
    init_from: InputFile | None
    initial: Model | None
    weights: Weights
    held_out_weights: Weights

    @classmethod
    def read(
        cls,
        config: Config,
        files: tuple[str, str | None, Path | None, Path | None],
        reading: ReadOptions,
        preset: str | None,
        own_files: tuple[Path, Path | None, Path | None],
    ) -> _Task:
        """Open the inputs, none of which may be the output or the checkpoint.

        The files are the data, rows to hold out, a model to start from, and weights of the data's
        rows.
        """
        from gpuae.importers import files_of, path_of
        from gpuae.model.model import Model
        from gpuae.storage.files.input_file import InputFile

        output, checkpoint, config_path = own_files
        data, validation_data, init_from, weights_path = files
        held_out_files = () if validation_data is None else files_of(validation_data)
        weighed_by = None if weights_path is None else path_of(str(weights_path))
        inputs = (*files_of(data), init_from, *held_out_files, weighed_by)
        _check_distinct(output, checkpoint, config_path, *inputs)
        started_from = InputFile(init_from) if init_from else None
        initial = Model.load(started_from) if started_from else None
        missing, wide = config.missing == "mean", config.dtype == "float64"
        reading = replace(reading, missing=missing, wide=wide)
        dataset = open_rows(data, reading, config)
        held_out = _open_like(dataset, validation_data, reading, config)
        weights = Weights.of(dataset, weights_path)
        others = Weights() if held_out is None else Weights.of(held_out)
        opened = (dataset, held_out, started_from, initial)
        return cls(config, preset, reading, *opened, weights, others)

    def fit(
        self,
        output: Path,
        checkpoints: Checkpoints | None,
        page: NoPage,
        records: Records,
        *,
        force: bool,
    ) -> tuple[Fit, Path | None]:
        """Train and write the model; say with it which input has changed meanwhile, if one has."""
        from gpuae.cli.progress import watching
        from gpuae.cli.spare import spared, unhashed
        from gpuae.storage.outputs.small_output import SmallOutput
        from gpuae.storage.rows.mapped_copy import mapped_copy

        with (
            mapped_copy(self.dataset.x) as x,
            spared(output) as keeper,
            checkpoints.held() if checkpoints else nullcontext(),
            SmallOutput(output, force=force) as out,
            watching(
                *self._shown(page, x, output, checkpoints),
                *records.start(self.dataset, x),
            ) as observer,
        ):
            result = self._fitted(x, observer, checkpoints, out)
            keeper.model = result.model
            changed = self._changed(x)
            if changed is not None:
                keeper.model = unhashed(result.model)
                result = replace(result, model=keeper.model)
            if result.interrupted and not page.keeps:
                _stop(result, checkpoints, page)
            result.model.write(out)
            page.show(result.model)
            records.show(result.model)
        return result, changed

    def _shown(
        self, page: NoPage, x: NDArray[Any], output: Path, checkpoints: Checkpoints | None
    ) -> tuple[Observer, ...]:
        """Show the run on its page, if there is one; return who has to hear of it for that."""

        def sample() -> tuple[Sample, str]:
            from gpuae.live.shown_rows import shown_rows

            return shown_rows(self.dataset, x, self.held_out, self.config)

        subject = (self.dataset.source, output, checkpoints is not None)
        return page.start(subject, self.dataset.notes, sample)

    def _fitted(
        self,
        x: NDArray[Any],
        observer: Observer,
        checkpoints: Checkpoints | None,
        out: SmallOutput,
    ) -> Fit:
        from gpuae.training.calibrating import fit_calibrated

        return fit_calibrated(
            x,
            self.config,
            observer=observer,
            checkpoints=checkpoints,
            ready=lambda model: model.rehearse(out),
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        """Return what training is given beside rows and settings."""
        return {
            "validation": None if self.held_out is None else self.held_out.x,
            "initial": self.initial,
            "attributes": self._provenance(),
            "feature_names": self.dataset.feature_names,
            "image_shape": self.dataset.image_shape,
            "categorical": self.dataset.categorical,
            "weights": self.weights.values,
            "validation_weights": self.held_out_weights.values,
        }

    def foretell(self, began: float) -> Foretold:
        """Say what training would take; the command began then."""
        from gpuae.cli.rows import note
        from gpuae.foretelling import foretell_fit
        from gpuae.storage.rows.mapped_copy import mapped_copy

        with mapped_copy(self.dataset.x) as x:
            return foretell_fit(x, self.config, note, began, **self._options())

    @property
    def _files(self) -> tuple[Input | None, ...]:
        held_out = self.held_out.file if self.held_out else None
        return self.dataset.file, self.init_from, held_out, self.weights.file

    def _changed(self, x: NDArray[Any]) -> Path | None:
        """Return which file has changed, where training has read rows from it to the end."""
        from gpuae.storage.files.input_file import first_changed
        from gpuae.storage.rows.pages import is_in_memory

        if is_in_memory(x) and (self.held_out is None or is_in_memory(self.held_out.x)):
            return None
        return first_changed(*self._files)

    def _provenance(self) -> dict[str, str | int | float]:
        """Return what a model is made from: what is hashed here must still be what was read."""
        from gpuae.storage.files.input_file import check_unchanged
        from gpuae.storage.provenance import lineage

        def source_of(name: str, own: Dataset) -> lineage.SourceFile:
            return lineage.source_file(name, own.file, own.source)

        sources = [source_of("data", self.dataset)]
        if self.held_out is not None:
            sources.append(source_of("validation_data", self.held_out))
        if self.init_from is not None:
            own = lineage.source_file("init_from", self.init_from, str(self.init_from))
            sources.append(own)
        sources += self.weights.sources
        check_unchanged(*self._files)
        told = {"preset": self.preset} if self.preset else {}
        told |= self.weights.told | self.reading.requested()
        return lineage.attributes("fit", sources, told)


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


def _check_distinct(output: Path, checkpoint: Path | None, *inputs: Path | None) -> None:
    from gpuae.storage.files.output_file import check_distinct

    check_distinct(output, checkpoint, *inputs)
    if checkpoint is not None:
        check_distinct(checkpoint, output, *inputs)


def tell_device(config: Config) -> None:
    """Say what `auto` comes to where there is a GPU; a device that is not there ends it here."""
    from gpuae.backends import needs_compiling, resolve_device

    device = resolve_device(config.device)
    if config.device == "auto" and (device.is_gpu or device.passes_gpu_by):
        say(f"device {device.name}: {device.reason}")
    if needs_compiling(device):
        say("compiling for this CPU, once: some seconds now and for each new kind of network")


def _check_validation(config: Config, validation_data: str | None) -> None:
    """Refuse two answers to the question which rows are held out."""
    from gpuae.errors import ConfigError

    if validation_data is not None and "validation" in config.model_fields_set:
        raise ConfigError(
            "validation: is a fraction of the rows, and --validation-data gives rows of their own; "
            "leave one of them out"
        )


def open_rows(data: str, reading: ReadOptions, config: Config) -> Dataset:
    """Open rows, tell what was chosen in reading them, and check their values."""
    from gpuae.importers import open_data
    from gpuae.memory import data_memory
    from gpuae.storage.rows.row_blocks import check_finite

    dataset = open_data(data, memory=data_memory(config.memory), options=reading)
    for note in dataset.notes:
        say(f"note: {note}")
    check_finite(dataset.x, dataset.source, missing=reading.missing)
    return dataset


def _open_like(
    dataset: Dataset, data: str | None, reading: ReadOptions, config: Config
) -> Dataset | None:
    """Open rows with the columns of a dataset: by name where there are names, else the same way."""
    from gpuae.errors import InputError
    from gpuae.importers import ImageOptions
    from gpuae.storage.rows.categorical import widths

    if data is None:
        return None
    if dataset.feature_names is not None:
        reading = replace(reading, columns=None, id_column=None, label_column=None)
    numbers = dataset.x.shape[1] - sum(widths(dataset.categorical))
    reading = replace(
        reading,
        names=dataset.feature_names and dataset.feature_names[:numbers],
        names_of=dataset.source,
        categorical=None,
        known=dataset.categorical,
        images=ImageOptions.like(dataset.image_shape),
    )
    opened = open_rows(data, reading, config)
    if opened.x.shape[1] != dataset.x.shape[1]:
        raise InputError(
            f"{opened.source} has {opened.x.shape[1]} columns and {dataset.source} "
            f"{dataset.x.shape[1]}; give validation data of the same columns"
        )
    return opened


def _end(result: Fit, output: Path, changed: Path | None) -> None:
    """Raise what did not go well, now that the model is written."""
    from gpuae.cli.spare import check_unchanged

    check_unchanged(changed, "model", output)
    result.raise_if_diverged()
    if result.interrupted:
        raise KeyboardInterrupt


def _stop(result: Fit, checkpoints: Checkpoints | None, page: NoPage) -> None:
    """End an interrupted run here if it is to leave no model."""
    if checkpoints is not None:
        _stop_to_go_on(result, page)
    elif page.stops:
        page.tell("stopped", ["no model was written, as asked for"])
        raise KeyboardInterrupt


def _stop_to_go_on(result: Fit, page: NoPage) -> None:
    """End an interrupted run without a model, unless its checkpoint could not be written."""
    saved = result.result.saved
    if saved:
        say(GO_ON)
    if saved or not (result.result.epochs or result.result.epochs_pretrained):
        page.tell("stopped", ["no model was written", *([GO_ON] if saved else [])])
        raise KeyboardInterrupt


def _summary(result: Fit, output: Path) -> dict[str, Any]:
    history = result.result.history.records
    best = result.result.best_epoch
    kept = history[best - 1] if best else None
    return {
        "model": str(output),
        "ending": result.result.ending.value,
        "epochs": result.result.epochs,
        "epochs_pretrained": result.result.epochs_pretrained,
        "best_epoch": best,
        "loss": kept.loss if kept else None,
        "val_loss": kept.val_loss if kept and not isnan(kept.val_loss) else None,
        "seconds": result.result.seconds,
        "device": result.device.name,
        "config": result.model.config.stored(),
    }


def _figures(verdict: Verdict | None) -> dict[str, Any]:
    unknown = {"explained_variance": None, "measured_rows": 0, "verdict": None}
    return {**verdict.summary(), "verdict": str(verdict)} if verdict else unknown


def _lines(summary: dict[str, Any], verdict: Verdict | None) -> list[str]:
    """Word how training ended, what was kept and what it is worth."""
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    own = f"{summary['ending']} after {epochs}"
    if summary["epochs_pretrained"]:
        own += f" and {summary['epochs_pretrained']} of single layers"
    lines = [f"{own} in {summary['seconds']:.1f} s", _kept(summary)]
    if verdict is not None:
        lines.append(str(verdict))
    return [line for line in (*lines, f"wrote {summary['model']}") if line]


def _kept(summary: dict[str, Any]) -> str:
    interrupted = summary["ending"] in ("interrupted", "out of time")
    if summary["loss"] is not None:
        val = f", val_loss {summary['val_loss']:.6g}" if summary["val_loss"] is not None else ""
        return f"kept epoch {summary['best_epoch']}: loss {summary['loss']:.6g}{val}"
    if summary["epochs_pretrained"] and not summary["epochs"]:
        return "kept what the layers have learnt one by one"
    if interrupted and not summary["epochs"]:
        return "kept the start: no epoch was done"
    if interrupted:
        return "kept what the network without a part of the rows had learnt so far"
    if summary["epochs"]:
        return "kept the start: no epoch was better for rows that were held out"
    return ""


def _with_advice(lines: list[str], verdict: Verdict | None) -> list[str]:
    return [*lines[:-1], verdict.advice, lines[-1]] if verdict and verdict.advice else lines


def _tell(lines: list[str], verdict: Verdict | None) -> None:
    *lines, wrote = lines
    for line in lines:
        tell(line)
    if verdict is not None and verdict.advice:
        say(f"note: {verdict.advice}")
    tell(wrote)
