"""How training went: the loss of each epoch, and the learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gpuae.errors import InputError
from gpuae.model.model import Model
from gpuae.model.unlike import HELD_OUT_ROWS
from gpuae.pictures.picture import Axes, Level, Lines, Picture, Series, Vector
from gpuae.training.classifying import HEAD, WHOLE
from gpuae.training.held_out import HELD_OUT_EXPLAINED, HELD_OUT_PCA
from gpuae.words import counted, percent

LOG_FROM = 10.0
"""Losses of which the largest is so many times the smallest are drawn on a logarithmic scale."""
SQUARED = ("mse", "sse")
"""Losses in whose units PCA's error can be told."""
STAGES = (HEAD, WHOLE)


def history(model: Model) -> Picture:
    """Show the losses of all epochs, the one that was kept, and the learning rate.

    Raises
    ------
    InputError
        Where the model has no epochs to show.
    """
    course = _Course.of(model)
    levels, notes = _levels(model, course)
    return Picture(
        "How training went",
        _panels(model, course, levels),
        f"{course.sentence()}{_shares(model)}.",
        (*_kept_note(course), *notes),
    )


@dataclass(frozen=True)
class _Course:
    """What is recorded of the epochs, (e,) each; NaN where something is not known."""

    step: str
    """What an epoch is called."""
    epoch: Vector
    loss: Vector
    val_loss: Vector
    rate: Vector
    stage: Vector
    kept: int | None
    """The epoch whose weights were kept; 0 is the start, None: not known."""

    @classmethod
    def of(cls, model: Model) -> _Course:
        """Read the history of a model."""
        loss = model.history.get("loss")
        if loss is None or not len(loss):
            raise InputError(f"the model has no history of training: {_why_none(model)}")
        nothing = np.full(len(loss), np.nan)

        def recorded(name: str, otherwise: Vector = nothing) -> Vector:
            return np.asarray(model.history.get(name, otherwise), np.float64)

        full_batch = model.classification is None and model.config.full_batch
        return cls(
            step="iteration" if full_batch else "epoch",
            epoch=recorded("epoch", np.arange(1.0, len(loss) + 1)),
            loss=recorded("loss"),
            val_loss=recorded("val_loss"),
            rate=recorded("learning_rate"),
            stage=recorded("stage", np.ones(len(loss))),
            kept=_kept(model, len(loss)),
        )

    @property
    def held_out(self) -> bool:
        """Whether there are losses of rows that were not trained on."""
        return bool(np.isfinite(self.val_loss).any())

    def at_kept(self, values: Vector) -> float:
        """Return one of the values: that of the kept epoch, NaN where there is none."""
        return float(values[self.kept - 1]) if self.kept else float("nan")

    def sentence(self) -> str:
        """Return the course in words, without a full stop."""
        count = len(self.loss)
        text = f"{counted(count, self.step)}: the training loss {_went(self.loss)}"
        if self.held_out:
            text += f", the validation loss {_went(self.val_loss)}"
        if not self.kept:
            return text
        text += f"; {self.step} {self.kept:,} was kept"
        if not self.held_out:
            return text
        return f"{text}, with a validation loss of {self.at_kept(self.val_loss):.4g}"


def _why_none(model: Model) -> str:
    """Return why there are no epochs, and what to do."""
    if model.config.epochs == 0:
        return "it was made with epochs=0; give one that was trained"
    if model.attributes.get("best_epoch") == 0:
        return (
            "no epoch was better for held-out rows than its start, which was kept; gpuae fit with "
            "--log FILE records all epochs"
        )
    return "it has no epochs, as one that gpuae stack made; give one that was trained"


def _went(loss: Vector) -> str:
    if len(loss) == 1:
        return f"was {loss[0]:.4g}"
    return f"went from {loss[0]:.4g} to {loss[-1]:.4g}"


def _kept(model: Model, epochs: int) -> int | None:
    kept = model.attributes.get("best_epoch")
    return int(kept) if isinstance(kept, int) and 0 <= kept <= epochs else None


def _kept_note(course: _Course) -> tuple[str, ...]:
    if course.kept != 0:
        return ()
    return (f"no {course.step} was better than the start, whose weights were kept",)


def _panels(model: Model, course: _Course, levels: tuple[Level, ...]) -> tuple[Lines, ...]:
    kind = _kind(course)
    series = [Series("training rows", course.epoch, course.loss, kind)]
    if course.held_out:
        series.append(Series("validation rows", course.epoch, course.val_loss, kind))
    shown = np.concatenate([own.y for own in series] + [[v.value] for v in levels if v.axis == "y"])
    axes = Axes(course.step, f"loss: {_of_what(model)}", log_y=_wide(shown))
    panels = [Lines("Loss", axes, tuple(series), levels)]
    if np.isfinite(course.rate).any():
        rate = Series("", course.epoch, course.rate, kind)
        own = tuple(level for level in levels if level.axis == "x")
        panels.append(Lines("Learning rate", Axes(course.step, "learning rate"), (rate,), own))
    return tuple(panels)


def _kind(course: _Course) -> Literal["line", "points"]:
    """Return how losses are drawn: a line through one point could not be seen."""
    return "points" if len(course.loss) == 1 else "line"


def _wide(values: Vector) -> bool:
    """Whether values ask for a logarithmic scale."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(known.min() > 0 and known.max() > LOG_FROM * known.min())


def _of_what(model: Model) -> str:
    """Return the names of what the loss is the sum of, as the settings have them."""
    if model.classification is None:
        return " + ".join((model.config.loss, *_penalties(model)))
    decay = model.classification.config.weight_decay
    return "cross-entropy + weight_decay" if decay else "cross-entropy"


def _penalties(model: Model) -> tuple[str, ...]:
    """Return the settings that add something to the loss of the reconstruction."""
    rule = model.config.code_rule
    sparse = (rule.name,) if rule.weight is not None else ()
    return sparse + (("weight_decay",) if model.config.weight_decay else ())


def _levels(model: Model, course: _Course) -> tuple[tuple[Level, ...], tuple[str, ...]]:
    """Return what is marked, and what is to be said of it."""
    marked = list(_boundaries(course))
    if course.kept:
        marked.append(Level(f"{course.step} {course.kept}, kept", float(course.kept), "x"))
    if model.classification is not None:
        return tuple(marked), ()
    reason = _why_no_level(model, course)
    if reason:
        return tuple(marked), (f"PCA has no level here: {reason}",)
    own, pca = _number(model, HELD_OUT_EXPLAINED), _number(model, HELD_OUT_PCA)
    level = course.at_kept(course.val_loss) * (1 - pca) / (1 - own)
    if level * LOG_FROM < np.nanmin([course.loss, course.val_loss]):
        note = f"{_pca(model)} has a loss of {level:.4g}, below what is drawn"
        return tuple(marked), (note,)
    rows = int(_number(model, HELD_OUT_ROWS))
    note = f"the level of PCA is the validation loss it has by its errors of {rows:,} held-out rows"
    return (*marked, Level(_pca(model), level)), (note,)


def _pca(model: Model) -> str:
    count = model.network.code_size if model.pca is None else model.pca.axes.shape[1]
    return f"PCA with {counted(count, 'component')}"


def _boundaries(course: _Course) -> tuple[Level, ...]:
    """Mark where another part of a classifier is trained."""
    begins = np.flatnonzero(np.diff(course.stage)) + 1
    return tuple(
        Level(f"from here: {_stage(int(course.stage[place]))}", course.epoch[place] - 0.5, "x")
        for place in begins
    )


def _stage(number: int) -> str:
    return STAGES[number - 1] if 1 <= number <= len(STAGES) else f"stage {number}"


def _why_no_level(model: Model, course: _Course) -> str:
    """Return why PCA cannot be told in the units of the loss; empty where it can."""
    if model.config.loss not in SQUARED:
        return f"its error is a squared one, and the loss is {model.config.loss}"
    if _penalties(model):
        return f"the loss includes {' and '.join(_penalties(model))}, which PCA does not pay"
    if course.kept == 0:
        return "the loss of the start, which was kept, is not recorded"
    names = (HELD_OUT_EXPLAINED, HELD_OUT_PCA, HELD_OUT_ROWS)
    known = [*(_number(model, name) for name in names), course.at_kept(course.val_loss)]
    if not np.isfinite(known).all() or known[0] == 1:
        return "its error of rows that were held out in this training is not known"
    return ""


def _number(model: Model, name: str) -> float:
    """Return what a model file says under a name; NaN where it says nothing or no number."""
    value = model.attributes.get(name)
    return float(value) if isinstance(value, int | float) else float("nan")


def _shares(model: Model) -> str:
    """Return what is explained of rows that were held out, where that is known."""
    own, pca = _number(model, HELD_OUT_EXPLAINED), _number(model, HELD_OUT_PCA)
    if not np.isfinite(own):
        return ""
    text = f"; {percent(own)} of the variance of held-out rows is explained"
    return text + (f", by PCA {percent(pca)}" if np.isfinite(pca) else "")
