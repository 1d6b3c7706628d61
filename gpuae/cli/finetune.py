"""gpuae finetune: an autoencoder and labelled rows in, a classifier out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuae.cli.base import (
    data_argument,
    declare,
    json_option,
    model_argument,
    output_options,
    print_json,
    say,
    tell,
    trust_options,
)
from gpuae.cli.columns import using_column_options
from gpuae.cli.labels import labels_option
from gpuae.cli.page import NoPage, live_options, wanted_page
from gpuae.cli.records import Records, record_options
from gpuae.cli.settings import options_of
from gpuae.cli.weights import Weights, weight_options
from gpuae.finetune_config import FinetuneConfig

if TYPE_CHECKING:
    from gpuae.cli.labels import Labels
    from gpuae.cli.rows import Job
    from gpuae.importers import ReadOptions
    from gpuae.storage.outputs.small_output import SmallOutput
    from gpuae.training.classifying import Finetuned
    from gpuae.training.history import Observer


@declare
@model_argument
@data_argument
@labels_option
@output_options("the classifier")
@options_of(FinetuneConfig)
@live_options
@record_options
@using_column_options
@weight_options
@json_option
@trust_options
def command(
    model_path: Path,
    data: str,
    labels_path: Path | None,
    weights_path: Path | None,
    output: Path,
    config_path: Path | None,
    live: bool,
    opens: bool,
    port: int | None,
    log: Path | None,
    tensorboard: Path | None,
    force: bool,
    as_json: bool,
    reading: ReadOptions,
    **settings: str | None,
) -> None:
    """Make a classifier from the encoder of MODEL and the labelled rows of DATA.

    First a softmax layer is trained on the codes as they are, then the whole network. A part of the
    rows of each class is held out, and decides when training stops early.

    \b
    Example:
      gpuae finetune model.h5 train.csv --labels labels.csv -o classifier.h5
    """
    from gpuae.cli.labels import Labels
    from gpuae.cli.rows import Job
    from gpuae.importers import files_of, path_of
    from gpuae.memory import data_memory
    from gpuae.storage.files.output_file import check_distinct, check_output
    from gpuae.storage.outputs.endings import check_hdf5_name

    check_hdf5_name(output, "a classifier")
    check_output(output, force)
    config = _settings(config_path, settings)
    records = Records(log, tensorboard, resume=False)
    beside = (labels_path, weights_path, config_path)
    records.check(output, model_path, *files_of(data), *beside, force=force)
    with records, wanted_page(live, port, opens=opens) as page:
        memory = data_memory(config.memory)
        job = Job.open(model_path, data, output, reading, memory=memory)
        labels = Labels.of(job, labels_path, output)
        if weights_path is not None:
            check_distinct(output, path_of(str(weights_path)))
        task = _Task(job, labels, Weights.of(job.dataset, weights_path), config, output)
        fitted, changed = task.run(page, records, force=force)
        summary = _summary(fitted, output)
        records.tell(summary)
        lines = _lines(summary)
        page.tell(summary["ending"], lines)
        if as_json:
            print_json(summary)
        else:
            _tell(summary, lines)
        _end(fitted, output, changed)


def _settings(path: Path | None, settings: dict[str, str | None]) -> FinetuneConfig:
    from gpuae.config import read_toml
    from gpuae.storage.files.input_file import check_plain

    given = {name: value for name, value in settings.items() if value is not None}
    if path is None:
        return FinetuneConfig.parse(given, source="options")
    check_plain(path)
    return FinetuneConfig.parse({**read_toml(path), **given}, source=str(path))


@dataclass(frozen=True)
class _Task:
    """What is trained on."""

    job: Job
    labels: Labels
    weights: Weights
    config: FinetuneConfig
    output: Path

    def run(self, page: NoPage, records: Records, *, force: bool) -> tuple[Finetuned, Path | None]:
        """Train and write the classifier; say with it which input has changed meanwhile."""
        from gpuae.cli.progress import watching
        from gpuae.cli.spare import spared, unhashed
        from gpuae.storage.outputs.small_output import SmallOutput
        from gpuae.storage.rows.mapped_copy import mapped_copy
        from gpuae.storage.rows.pages import is_in_memory

        with (
            mapped_copy(self.job.x) as x,
            spared(self.output) as keeper,
            SmallOutput(self.output, force=force) as out,
            watching(*self._shown(page), *records.start(self.job.dataset, x)) as observer,
        ):
            fitted = self._fitted(x, observer, out)
            keeper.model = fitted.model
            changed = None if is_in_memory(x) else self.job.changed
            if changed is not None:
                keeper.model = unhashed(fitted.model)
                fitted = replace(fitted, model=keeper.model)
            if page.stops:
                page.tell("stopped", ["no classifier was written, as asked for"])
                raise KeyboardInterrupt
            fitted.model.write(out)
            page.show(fitted.model)
            records.show(fitted.model)
        return fitted, changed

    def _shown(self, page: NoPage) -> tuple[Observer, ...]:
        """Show the run on its page, if there is one, without rows: a classifier makes none."""
        data = self.job.dataset
        return page.start((data.source, self.output, False), data.notes, lambda: (None, ""))

    def _fitted(self, x: Any, observer: Any, out: SmallOutput) -> Finetuned:
        from gpuae.training.classifying import finetune

        others = (*self.labels.sources, *self.weights.sources)
        job = replace(self.job, said=self.job.said | self.weights.told)
        made = job.attributes("finetune", None, others=others)
        return finetune(
            self.job.model,
            x,
            self.labels.values,
            self.config,
            source=self.labels.source,
            observer=observer,
            ready=lambda started: started.rehearse(out),
            attributes=made.complete(),
            weights=self.weights.values,
        )


def _summary(fitted: Finetuned, output: Path) -> dict[str, Any]:
    classification = fitted.model.classification
    return {
        "classifier": str(output),
        "ending": fitted.ending.value,
        "classes": classification.classes.tolist() if classification else [],
        "rows": len(fitted.rows),
        "held_out_rows": len(fitted.held_out),
        "held_out_accuracy": fitted.accuracy,
        "epochs": [result.epochs for result in fitted.results],
        "seconds": fitted.seconds,
        "device": fitted.device.name,
        "config": classification.config.stored() if classification else {},
    }


def _lines(summary: dict[str, Any]) -> list[str]:
    """Word how training ended and what it is worth."""
    stages = " and ".join(str(epochs) for epochs in summary["epochs"])
    lines = [f"{summary['ending']} after {stages} epochs in {summary['seconds']:.1f} s"]
    if summary["held_out_accuracy"] is not None:
        lines.append(
            f"right about {summary['held_out_accuracy']:.2%} of {summary['held_out_rows']} rows "
            f"that were held out, of {len(summary['classes'])} classes"
        )
    return [*lines, f"wrote {summary['classifier']}"]


def _tell(summary: dict[str, Any], lines: list[str]) -> None:
    *lines, wrote = lines
    for line in lines:
        tell(line)
    if summary["held_out_accuracy"] is None:
        say("note: no rows were held out; gpuae evaluate measures the classifier on others")
    tell(wrote)


def _end(fitted: Finetuned, output: Path, changed: Path | None) -> None:
    """Raise what did not go well, now that the classifier is written."""
    from gpuae.cli.spare import check_unchanged
    from gpuae.training.trainer import Ending

    check_unchanged(changed, "classifier", output)
    fitted.raise_if_diverged()
    if fitted.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
