"""As many epochs as fit into the time that training may take.

A schedule of the learning rate does its best at its end, where the rate is small. So training is
not cut off: the number of epochs is decided before the first step, from the speed of some steps
that change nothing, and the schedule ends with the last of them. Whoever asks for that number of
epochs without a limit gets the same model. Should epochs take longer than they were measured to,
training ends with the time all the same, and the best weights so far are kept.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gpuae.config import Config
from gpuae.defaults import patience_for
from gpuae.durations import worded
from gpuae.training.checkpoint import Checkpoints
from gpuae.training.deadline import Deadline
from gpuae.training.preparation import Prepared
from gpuae.training.speed import Speed

SHARE = 0.9
"""Of the time that is left is planned for: the rest is for measuring the model, and for chance."""


def planned(
    prepared: Prepared, deadline: Deadline, speed: Speed, rows: int, held_out: int
) -> Prepared:
    """Return settings of as many epochs as there is time for, and no more than there were.

    Parameters
    ----------
    rows, held_out
        How many rows are trained on and how many are held out.
    """
    config = prepared.config
    epoch = speed.epoch(rows, held_out, config.folds or 1)
    epochs = max(1, math.floor(SHARE * deadline.left / epoch))
    if epochs >= config.resolved("epochs"):
        return prepared
    why = f"as many as max_time={config.max_time} has room for, at {worded(epoch)} each"
    return shortened(prepared, epochs, why)


def shortened(prepared: Prepared, epochs: int, why: str) -> Prepared:
    """Return the settings that asking for so many epochs gives."""
    change: dict[str, int] = {"epochs": epochs}
    if "patience" in prepared.reasons:
        change["patience"] = patience_for(epochs)
    config = Config.parse({**prepared.config.model_dump(), **change})
    return replace(prepared, config=config, reasons={**prepared.reasons, "epochs": why})


def as_begun(
    prepared: Prepared, checkpoints: Checkpoints | None, deadline: Deadline
) -> Prepared | None:
    """Return the settings that a run to go on with was begun with; None where none was begun.

    The time that it has taken is spent.

    Raises
    ------
    InputError
        When its checkpoint cannot be read.
    """
    begun = None if checkpoints is None else checkpoints.begun()
    if checkpoints is None or begun is None:
        return None
    deadline.spend(begun.seconds)
    if begun.epochs == prepared.config.epochs:
        return prepared
    return shortened(prepared, begun.epochs, f"as the run in {checkpoints.path} was begun")
