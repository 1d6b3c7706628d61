"""Write a model for other programs, in the format that the ending of the file's name says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuae.errors import ConfigError, OutputError
from gpuae.exchange import npz_file, onnx_file, safetensors_file, torch_file
from gpuae.exchange.about import About
from gpuae.exchange.agreement import Trial, check
from gpuae.exchange.card import NAME as CARD
from gpuae.exchange.card import card as model_card
from gpuae.exchange.computation import OUTPUTS, Computation
from gpuae.exchange.task import Task, Written
from gpuae.model.model import Model
from gpuae.storage.files.output_file import OutputFile, check_output
from gpuae.words import counted

FORMATS: Mapping[str, Callable[[Task], Written]] = {
    ".onnx": onnx_file.written,
    ".pt": torch_file.written,
    ".pth": torch_file.written,
    ".safetensors": safetensors_file.written,
    ".npz": npz_file.written,
}
"""By the ending of the name."""
CHOOSES = (".onnx",)
"""Formats that hold the outputs that are asked for, and what they are computed from."""
INPUT_TYPES = ("float32", "float64")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files
        All of them.
    outputs
        Names of what the model in them gives.
    difference
        By how much these differ from gpuae's own at most, and
    rows
        on how many rows that was found out.
    notes
        What a person should know, in sentences.
    code
        Lines of Python that use the file; None where the format needs none.
    """

    files: tuple[Path, ...]
    outputs: tuple[str, ...]
    difference: float
    rows: int
    notes: tuple[str, ...] = ()
    code: str | None = None

    def __str__(self) -> str:
        names = ", ".join(map(str, self.files))
        return (
            f"wrote {names}: {', '.join(self.outputs)}, which differ from gpuae's own by at most "
            f"{self.difference:.1g} on {counted(self.rows, 'row')}"
        )


def export(
    model: Any,
    path: str | Path,
    *,
    outputs: Sequence[str] | None = None,
    input_type: str | None = None,
    card: bool = False,
    force: bool = False,
) -> Exported:
    """Write a model for other programs.

    Parameters
    ----------
    model
        A fitted estimator.
    path
        Its ending says the format: .onnx, .pt or .pth, .safetensors, or .npz.
    outputs
        Of ONNX: which of `code`, `reconstruction`, `score`, `outlier` and `probabilities` the file
        gives; None: all that the model has.
    input_type
        Of ONNX: float32 or float64, as the rows will be; None: the narrower one of those that hold
        the model's own rows.
    card
        Whether a model card, README.md, is written beside it.
    force
        Whether existing files are replaced.

    Returns
    -------
    Exported
        Which files were written, and how far they differ; `str` makes it a sentence.

    Raises
    ------
    ConfigError
        For options that the model or the format does not have, and where a package is missing.
    NotFittedError
        For an estimator that has not been fitted.
    OutputError
        Where a file cannot be written, or would not compute what gpuae computes.
    """
    path = Path(path)
    write = _format(path)
    check_output(path, force)
    own = model if isinstance(model, Model) else _fitted(model)
    task = _task(own, path, outputs, input_type)
    written = write(task)
    trial = Trial.of(own, task.computation, task.input_type)
    difference, names = check(path, trial, written.run)
    files = dict(written.files)
    if card:
        files[path.parent / CARD] = _card(own, task, written).encode()
    _save(files, force=force)
    notes = (*_left_out(own), *written.notes)
    return Exported(tuple(files), names, difference, len(trial.rows), notes, written.code)


def _fitted(estimator: Any) -> Model:
    """Return the model of a fitted estimator.

    Raises
    ------
    NotFittedError
        Where there is none.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator, "model_")
    model: Model = estimator.model_
    return model


def _task(model: Model, path: Path, outputs: Sequence[str] | None, input_type: str | None) -> Task:
    if model.preprocess.total is not None:
        raise ConfigError(
            f"{path}: takes no model of counts (scale=log1p), which divides each row by its total; "
            "train it with scale=standard on logarithms that you computed"
        )
    computation = Computation.of(model)
    return Task(
        path,
        computation,
        About.of(model, computation),
        _chosen(computation, outputs, path),
        _input_type(computation, input_type, path),
    )


def _card(model: Model, task: Task, written: Written) -> str:
    code = (written.code or "").replace(repr(str(task.path)), repr(task.path.name))
    return model_card(model, task.computation, task.about, task.path.name, written.use or code)


def _format(path: Path) -> Callable[[Task], Written]:
    """Return what writes a format.

    Raises
    ------
    OutputError
        For an ending of no format.
    """
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        endings = ", ".join(FORMATS)
        raise OutputError(
            f"{path}: the ending of the name says the format, and is one of {endings}"
        )
    return write


def _chosen(computation: Computation, names: Sequence[str] | None, path: Path) -> tuple[str, ...]:
    """Return the outputs that are wanted.

    Raises
    ------
    ConfigError
        For a name of no output, or of one that the model does not have.
    """
    if names is None:
        return computation.outputs
    if path.suffix.lower() not in CHOOSES:
        raise ConfigError(
            f"outputs: are chosen for {', '.join(CHOOSES)} alone, and {path.suffix} holds what all "
            "of them are computed from; leave outputs out"
        )
    for name in names:
        if name not in computation.outputs:
            known = ", ".join(computation.outputs)
            what = "the model does not have" if name in OUTPUTS else "there is no output"
            raise ConfigError(f"outputs: {what} {name or 'without a name'}; it has {known}")
    if not names:
        raise ConfigError(f"outputs: none is named; it has {', '.join(computation.outputs)}")
    return tuple(dict.fromkeys(names))


def _input_type(computation: Computation, name: str | None, path: Path) -> np.dtype[Any]:
    """Return the type of the rows that the file takes.

    Raises
    ------
    ConfigError
        For another one than float32 or float64, or a format that takes both.
    """
    if name is None:
        return computation.row_type
    if name not in INPUT_TYPES:
        raise ConfigError(f"input_type: needs float32 or float64, not {name}")
    if path.suffix.lower() not in CHOOSES:
        raise ConfigError(f"input_type: is chosen for {', '.join(CHOOSES)} alone; leave it out")
    return np.dtype(name)


def _left_out(model: Model) -> tuple[str, ...]:
    """Say which of the model's results no file for other programs can give."""
    if model.classification is None and model.config.outlier_score != "mse":
        return (
            f"the score of this model (outlier_score={model.config.outlier_score}) compares with "
            "training rows, which no network does: it is left out",
        )
    return ()


def _save(files: Mapping[Path, bytes], *, force: bool) -> None:
    """Write all files; none of them takes its name before all are complete."""
    with ExitStack() as stack:
        for path, content in files.items():
            output = stack.enter_context(OutputFile(path, force))
            output.write(memoryview(content), 0)
