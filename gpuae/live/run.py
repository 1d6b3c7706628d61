"""A run of training as a page shows it: what it is, how it goes, how it ended, and its buttons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpuae.live.course import Course, Describe
from gpuae.live.weights import Weights
from gpuae.pictures.sample import Sample
from gpuae.training.history import SoFar
from gpuae.training.interruption import Interrupted


class Asked(Enum):
    """What a person wants of training."""

    NOTHING = "nothing"
    KEEP = "keep"
    """To end and leave a model of what it has learnt."""
    STOP = "stop"
    """To end and leave none."""


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes
    ----------
    data, output
        What it is trained on, and what comes of it.
    buttons
        Whether the page can end it.
    resumable
        Whether a checkpoint is kept to go on from.
    """

    data: str
    output: str
    buttons: bool
    resumable: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended: in a word or two, and in lines of more words."""

    headline: str
    lines: tuple[str, ...] = ()
    failed: bool = False


class Run(Course):
    """An observer that pages look at, and through whose buttons training is ended."""

    def __init__(self, subject: Subject, describe: Describe) -> None:
        super().__init__(describe)
        self.subject = subject
        self.weights = Weights()
        self.sample: Sample | None = None
        """Rows whose reconstructions are shown,"""
        self.sample_note = ""
        """and what a person should know of them."""
        self.asked = Asked.NOTHING
        self.headline = ""
        """What there is to say while it runs; empty: that it does."""
        self.outcome: Outcome | None = None

    def between_steps(self, so_far: SoFar) -> None:
        """Copy the weights for those who look, and end training for those who want that."""
        self.weights.offer(so_far, self.where)
        if self.asked is not Asked.NOTHING:
            raise Interrupted

    def status(self) -> dict[str, object]:
        """Return in a few words how it stands."""
        if self.outcome is not None:
            own = self.outcome
            state = "failed" if own.failed else "ended"
            return {"state": state, "headline": own.headline, "lines": list(own.lines)}
        if self.asked is not Asked.NOTHING:
            return {"state": "stopping", "headline": "Stopping after this step", "lines": []}
        going = self.headline or ("Training" if self.has_started else "Getting ready")
        return {"state": "running", "headline": going, "lines": []}
