"""What encode, decode, reconstruct and score share: a model, rows in, rows out to a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gpuae.cli.base import say, tell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpuae.encoding import Sink
    from gpuae.importers import ReadOptions
    from gpuae.model.model import Model
    from gpuae.storage.files.background_hash import BackgroundHash
    from gpuae.storage.files.input_file import Input, InputFile
    from gpuae.storage.kinds.rows_output import Output
    from gpuae.storage.outputs.late_hashes import LateAttributes
    from gpuae.storage.provenance import lineage
    from gpuae.storage.rows.dataset import Dataset


@dataclass(frozen=True)
class Job:
    """A model file and the rows it is used on."""

    model_file: InputFile
    model: Model
    dataset: Dataset
    said: dict[str, str]
    """What a person said about columns."""
    hash: BackgroundHash | None = None
    """Of the file of the rows, where an output is made of them."""

    @classmethod
    def open(
        cls,
        model_path: Path,
        data: str,
        output: Path | None = None,
        reading: ReadOptions | None = None,
        *,
        memory: int | None = None,
        row_bytes: Callable[[Model], int] | None = None,
        files: tuple[InputFile, Input | None] | None = None,
    ) -> Job:
        """Read a model, open rows and check that they fit and hold only numbers.

        Without `reading` they are codes rather than rows. With `row_bytes` the disk must have room
        for so many bytes of output a row. `files` are both, where they have been opened already.
        """
        from gpuae.importers import ReadOptions, files_of
        from gpuae.model.model import Model
        from gpuae.storage.files.background_hash import BackgroundHash
        from gpuae.storage.files.output_file import check_distinct, check_room
        from gpuae.storage.rows.row_blocks import check_finite

        model_file, file = files or opened(model_path, data)
        background = None if file is None or output is None else BackgroundHash(file)
        model = Model.load(model_file)
        wanted = ReadOptions() if reading is None else _wanted(reading, model_path, model)
        dataset = _open_rows(data, file, wanted, model, memory)
        if output is not None:
            check_distinct(output, model_path, *files_of(data))
        for remark in dataset.notes:
            note(remark)
        _check_columns(model_path, model, dataset, codes=reading is None)
        if output is not None and row_bytes is not None:
            check_room(output, len(dataset.x) * row_bytes(model))
        check_finite(dataset.x, dataset.source, missing=wanted.missing)
        said = {} if reading is None else reading.requested()
        return cls(model_file, model, dataset, said, background)

    @property
    def model_path(self) -> Path:
        """Where the model is."""
        return self.model_file.path

    @property
    def changed(self) -> Path | None:
        """Which of the two files is not what it was when it was opened; None where both are."""
        from gpuae.storage.files.input_file import first_changed

        return first_changed(self.model_file, self.dataset.file)

    def check_unchanged(self) -> None:
        """Refuse to go on where one of the two files has changed."""
        from gpuae.storage.files.input_file import check_unchanged

        check_unchanged(self.model_file, self.dataset.file)

    @property
    def x(self) -> Any:
        """The rows (n, d)."""
        return self.dataset.x

    def attributes(
        self,
        command: str,
        device: str | None,
        more: Mapping[str, str | int | float] = MappingProxyType({}),
        others: tuple[lineage.SourceFile, ...] = (),
        **options: str | int | float,
    ) -> LateAttributes:
        """Return which command, model, data, other sources and device an output comes from.

        `options` are those of the command that decide what it gives; `more` are attributes by
        themselves. Of a device that is not known yet, None, nothing is said. The hash of the data
        may still be computed; it is of what was read, or refused.
        """
        from gpuae.backends import computed_by, resolve_device
        from gpuae.storage.outputs.late_hashes import LateAttributes
        from gpuae.storage.provenance import lineage

        model = lineage.source_file("model", self.model_file, str(self.model_file))
        data = self.data_source(late=True)
        sources = (model, data, *others)
        made = lineage.attributes(command, sources, {**options, **self.said})
        self.check_unchanged()
        hashes = () if self.hash is None else self.hash.all
        known = {} if device is None else computed_by(resolve_device(device))
        return LateAttributes({**known, **made, **more}, hashes)

    def data_source(self, *, late: bool = False) -> lineage.SourceFile:
        """Return the data as a source, with their hashes or, before these, what stands for them."""
        from gpuae.storage.provenance.lineage import source_file

        known = [] if self.hash is None else self.hash.all
        digests = [own.placeholder if late else own.result() for own in known]
        return source_file("data", self.dataset.file, self.dataset.source, digests)

    def was_trained_on(self) -> bool:
        """Whether the rows are those, by the hash of their file, that the model was made from."""
        from gpuae.storage.provenance.lineage import Record

        record = Record.of(self.model.attributes, str(self.model_path))
        known = [own for own in record.sources if own.role == "data"]
        now = self.data_source()
        if self.dataset.source_path is None:  # built in
            return now.name in [own.name for own in known if own.sha256 is None]
        told = now.inner, now.sha256
        return now.sha256 is not None and told in [(own.inner, own.sha256) for own in known]


def opened(model_path: Path, data: str) -> tuple[InputFile, Input | None]:
    """Open a model's file and what rows are read from; None for built-in data."""
    from gpuae.importers import opened as opened_data
    from gpuae.storage.files.input_file import InputFile

    return InputFile(model_path), opened_data(data)


def note(message: str) -> None:
    """Tell the person what a result gives reason to remark."""
    say(f"note: {message}")


def _wanted(reading: ReadOptions, model_path: Path, model: Model) -> ReadOptions:
    """Ask for the columns that the model was trained on, by their names if they have any.

    What was said of the rows then holds now too, as far as it fits and nothing else is said.
    """
    from gpuae.importers import ImageOptions, ReadOptions
    from gpuae.storage.provenance.lineage import Record

    record = Record.of(model.attributes, str(model_path))
    return replace(
        reading,
        names=model.feature_names and model.feature_names[: model.numbers],
        known=model.categorical,
        names_of=str(model_path),
        missing=model.config.missing == "mean",
        wide=model.config.dtype == "float64",
        images=ImageOptions.like(model.image_shape),
        before=ReadOptions.of_record(record.options) if record.command == "fit" else None,
    )


def _open_rows(
    data: str, file: Input | None, wanted: ReadOptions, model: Model, memory: int | None
) -> Dataset:
    """Open rows; of more columns without names those by number that the model was trained on."""
    from gpuae.importers import open_data

    dataset = open_data(data, memory=memory, options=wanted, file=file)
    before = wanted.before and wanted.before.columns
    fits = dataset.x.shape[1] == model.network.columns
    if fits or not before or wanted.columns is not None or dataset.feature_names is not None:
        return dataset
    again = replace(wanted, columns=before)
    chosen = open_data(data, memory=memory, options=again, file=file)
    note = f"the columns {before} are taken, as for {wanted.names_of}"
    return replace(chosen, notes=(*chosen.notes, note))


def _check_columns(model_path: Path, model: Model, dataset: Dataset, *, codes: bool) -> None:
    from gpuae.errors import InputError

    network, columns = model.network, dataset.x.shape[1]
    expected = network.code_size if codes else network.columns
    if columns != expected:
        needs = f"decodes codes of {expected}" if codes else f"was trained on {expected}"
        raise InputError(
            f"{dataset.source} has {columns} columns and {model_path} {needs}; "
            f"give {'codes' if codes else 'data'} of {expected} columns"
        )
    if not codes:
        _check_names(model_path, model, dataset)


def _check_names(model_path: Path, model: Model, dataset: Dataset) -> None:
    """Refuse columns of other names than the model was trained on, which are not all different."""
    from gpuae.errors import InputError

    if model.feature_names is None or dataset.feature_names is None:
        return
    for column, (own, known) in enumerate(
        zip(dataset.feature_names, model.feature_names, strict=True)
    ):
        if own != known:
            raise InputError(
                f"{dataset.source}: column {column + 1} is {own!r} and {model_path} "
                f"was trained with {known!r} there; give the same columns in the same order"
            )


def write_rows(
    job: Job, output: Output, path: Path, compute: Callable[[Sink], None], what: str
) -> None:
    """Fill an output file, showing how far it is, and say so."""
    from gpuae.cli.progress import counting
    from gpuae.storage.rows.pages import is_in_memory

    with output as out, counting(out.shape[0], out.start) as advance:

        def sink(start: int, block: NDArray[Any]) -> None:
            out.write(start, block)
            advance(len(block))

        compute(sink)
        if not is_in_memory(job.x):
            job.check_unchanged()
    tell(f"wrote {what} to {path}")
