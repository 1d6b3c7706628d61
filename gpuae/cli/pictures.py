"""The pictures that plot is asked for: made from a model and rows, and drawn where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import say, tell
from gpuae.printable import one_line

if TYPE_CHECKING:
    from gpuae.cli.rows import Job
    from gpuae.dimensions import Dimensions
    from gpuae.errors import InputError
    from gpuae.importers import ReadOptions
    from gpuae.machine import Machine
    from gpuae.model.model import Model
    from gpuae.pictures.picture import Picture
    from gpuae.pictures.sample import Sample
    from gpuae.storage.files.input_file import InputFile

PLACE = "{kind}"
"""In the name of a file: the kind of picture."""
ROWS = 20
"""That are reconstructed unless it is said which, or how many."""


@dataclass(frozen=True)
class Asked:
    """What a person has given; it is read when the first picture needs it."""

    options: dict[str, Any]

    @property
    def model_path(self) -> Path:
        """The file of the model."""
        return Path(self.options["model_path"])

    @cached_property
    def model_file(self) -> InputFile:
        """The file of the model, opened."""
        from gpuae.storage.files.input_file import InputFile

        return InputFile(self.model_path)

    @property
    def data(self) -> str | None:
        """What the rows are read from, where there are some."""
        return self.options.get("data")

    @property
    def machine(self) -> Machine:
        """What to compute with."""
        machine: Machine = self.options["machine"]
        return machine

    @property
    def reading(self) -> ReadOptions:
        """How the rows are read."""
        reading: ReadOptions = self.options["reading"]
        return reading

    @cached_property
    def job(self) -> Job:
        """The model and the rows."""
        from gpuae.cli.rows import Job

        if self.data is None:
            raise click.UsageError("this picture is of rows; give DATA beside MODEL")
        memory = self.machine.memory
        return Job.open(self.model_path, self.data, reading=self.reading, memory=memory)

    @cached_property
    def model(self) -> Model:
        """The model."""
        from gpuae.model.model import Model

        return Model.load(self.model_file) if self.data is None else self.job.model

    def sample(self, most: int) -> Sample:
        """Return all rows, or so many of them, or as many as were asked for."""
        from gpuae.pictures.sample import Sample

        return Sample.of(self.job.dataset, self.options.get("sample") or most)


def draw(kinds: tuple[str, ...], options: dict[str, Any], *, lenient: bool) -> None:
    """Draw pictures of these kinds; of several say why some cannot be drawn, and draw the others.

    Unless `lenient`, that is an error in the end.

    Raises
    ------
    InputError
        Where there is no such picture of this model and these rows.
    """
    asked = Asked(options)
    files = _files(kinds, asked)
    if lenient and asked.data is None:
        kinds = tuple(kind for kind in kinds if kind not in NEED_ROWS)
    show = _shower(options) if not options["outputs"] else None
    missing = []
    for number, (kind, picture) in enumerate(_pictures(kinds, asked)):
        if picture is None:
            missing.append(kind)
            continue
        if show is not None:
            click.echo("\n" * (number > 0), nl=False)
            show(picture)
            click.echo()
        else:
            _save(picture, kind, files[kind], force=options["force"])
        click.echo(one_line(picture.description))
    if missing and not lenient:
        raise _not_drawn(missing)


def _shower(options: dict[str, Any]) -> Callable[[Picture], None]:
    """Return what draws in the terminal, if it can be drawn there."""
    from gpuae.plots.terminal import Screen

    return Screen.of_output(only_characters=options["characters"]).show


def _pictures(kinds: tuple[str, ...], asked: Asked) -> Iterator[tuple[str, Picture | None]]:
    """Yield the picture of each kind; of several None for one that cannot be drawn, with a note.

    What no picture could be drawn of is refused before the first one.
    """
    from gpuae.errors import ConfigError, InputError

    if len(kinds) == 1:
        yield kinds[0], PICTURES[kinds[0]](asked)
        return
    _ = asked.model
    for kind in kinds:
        try:
            picture = PICTURES[kind](asked)
        except (ConfigError, InputError) as error:
            say(f"note: no {kind}: {error}")
            yield kind, None
        else:
            yield kind, picture


def _not_drawn(kinds: list[str]) -> InputError:
    from gpuae.errors import InputError

    return InputError(
        f"{', '.join(kinds)}: not drawn, for the reason above; leave out of the list what this "
        "model does not have"
    )


def _files(kinds: tuple[str, ...], asked: Asked) -> dict[str, list[Path]]:
    """Return the files of each kind; refuse those that could not be written."""
    outputs = asked.options["outputs"]
    if outputs and asked.options["characters"]:
        raise click.UsageError("--characters is for the terminal; leave it or -o out")
    for name in outputs:
        if len(kinds) > 1 and PLACE not in name:
            raise click.UsageError(
                f"-o {name}: several pictures need several names; put {PLACE} in it, as in "
                f"-o {PLACE}.png"
            )
    files = {kind: [Path(name.replace(PLACE, kind)) for name in outputs] for kind in kinds}
    _check([path for own in files.values() for path in own], asked)
    return files


def _check(paths: list[Path], asked: Asked) -> None:
    """Refuse files that could not be written, or would replace what they are made from."""
    from gpuae.importers import files_of
    from gpuae.plots.figure import check
    from gpuae.storage.files.output_file import check_distinct

    model = asked.options.get("model_path")
    data = () if asked.data is None else files_of(asked.data)
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise click.UsageError(f"-o {path}: is given twice; give another name")
        check(path, force=asked.options["force"])
        check_distinct(path, model, *data)


def _save(picture: Picture, kind: str, paths: list[Path], *, force: bool) -> None:
    from gpuae.plots.figure import save

    for path in paths:
        save(picture, path, force=force)
        tell(f"wrote {kind} to {path}")


def _weights(asked: Asked) -> Picture:
    from gpuae.pictures.weights import weights

    return weights(asked.model, count=asked.options["count"], alike=asked.options["alike"])


def _onehot(asked: Asked) -> Picture:
    from gpuae.pictures.onehot import onehot

    return onehot(asked.model, count=asked.options["count"], alike=asked.options["alike"])


def _history(asked: Asked) -> Picture:
    from gpuae.pictures.history import history

    return history(asked.model)


def _reconstructions(asked: Asked) -> Picture:
    from gpuae.neighbors import row_numbers
    from gpuae.pictures.reconstructions import reconstructions
    from gpuae.pictures.sample import Sample

    rows, count, job = asked.options["rows"], asked.options["count"], asked.job
    numbers = None if rows is None else row_numbers(rows, len(job.x), job.dataset.source, "--rows")
    if numbers is not None and count is not None:
        numbers = numbers[:count]
    sample = Sample.of(job.dataset, count or ROWS, numbers)
    return reconstructions(job.model, sample, machine=asked.machine)


def _codes(asked: Asked) -> Picture:
    from gpuae.pictures.codes import MOST_ROWS, codes

    return codes(asked.job.model, asked.sample(MOST_ROWS), machine=asked.machine)


def _map(asked: Asked) -> Picture:
    from gpuae.pictures.code_map import MOST_ROWS, code_map

    method, colour = asked.options["method"], asked.options["colour"]
    sample = asked.sample(MOST_ROWS[method])
    if colour is None and sample.y is not None:
        colour = "label"
    return code_map(asked.job.model, sample, colour=colour, method=method, machine=asked.machine)


def _errors(asked: Asked) -> Picture:
    from gpuae.pictures.errors import MOST_ROWS, errors

    threshold = asked.options["threshold"]
    if asked.data is None:
        return _scores(asked, threshold)
    return errors(
        asked.job.model, asked.sample(MOST_ROWS), threshold=threshold, machine=asked.machine
    )


def _scores(asked: Asked, threshold: float | None) -> Picture:
    """Draw the errors of a file of scores."""
    from gpuae.pictures.errors import read_scores, scores_only
    from gpuae.storage.kinds.model_file import is_model

    if asked.options["sample"] is not None:
        raise click.UsageError("--sample is for rows; a file of scores is drawn whole")
    if is_model(asked.model_file):
        raise click.UsageError(
            f"errors are of rows, and {asked.model_path} is a model; give DATA beside it"
        )
    scores, own = read_scores(asked.model_file)
    return scores_only(scores, own if threshold is None else threshold)


def _dimensions(asked: Asked) -> Picture:
    from gpuae.pictures.dimensions import dimensions, read_dimensions

    data, most = str(asked.data), asked.options["most"]
    if data.lower().endswith(".json"):
        if most is not None:
            raise click.UsageError("--max is for rows; the sizes in a file have been tried")
        return dimensions(read_dimensions(Path(data)))
    return dimensions(_searched(asked, data, most))


def _searched(asked: Asked, data: str, most: int | None) -> Dimensions:
    """Train codes of growing size; Ctrl-C ends that with what has been found."""
    from gpuae.cli.dimensions import search
    from gpuae.config import Config

    given = {name: str(own) for name, own in asdict(asked.machine).items() if own is not None}
    config = Config.parse(given, source="options")
    found = search(data, most, config, asked.reading, say)
    if found is None:
        raise KeyboardInterrupt
    return found


PICTURES: dict[str, Callable[[Asked], Picture]] = {
    "weights": _weights,
    "reconstructions": _reconstructions,
    "history": _history,
    "codes": _codes,
    "onehot": _onehot,
    "map": _map,
    "dimensions": _dimensions,
    "errors": _errors,
}
NEED_ROWS = ("reconstructions", "codes", "map", "errors")
"""Of which there is nothing to draw of a model alone."""
