"""The work of gpuae fit: a model trained on rows, and written."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuae.cli.base import say
from gpuae.cli.learning_rows import open_like, open_rows
from gpuae.cli.page import NoPage
from gpuae.cli.records import Records
from gpuae.cli.weights import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.config import Config
    from gpuae.foretelling import Foretold
    from gpuae.importers import ReadOptions
    from gpuae.model.model import Model
    from gpuae.pictures.sample import Sample
    from gpuae.storage.files.input_file import Input, InputFile
    from gpuae.storage.outputs.small_output import SmallOutput
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.training.checkpoint import Checkpoints
    from gpuae.training.fitting import Fit
    from gpuae.training.history import Observer

GO_ON = "to go on from here, give the same command with --resume"


@dataclass(frozen=True)
class Task:
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
    ) -> Task:
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
        held_out = open_like(dataset, validation_data, reading, config)
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


def _check_distinct(output: Path, checkpoint: Path | None, *inputs: Path | None) -> None:
    from gpuae.storage.files.output_file import check_distinct

    check_distinct(output, checkpoint, *inputs)
    if checkpoint is not None:
        check_distinct(checkpoint, output, *inputs)


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
