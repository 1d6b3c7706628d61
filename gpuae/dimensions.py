"""How many code units some data need: what codes of growing size explain of unseen rows.

An autoencoder is trained for each code size of a geometric grid, and measured as `fit` measures its
verdict: on held-out rows, in preprocessed units. The error of unseen rows is no guide by itself,
since a code as wide as the data copies their noise too and always has the lowest. So a code has to
earn its units: k of d columns that have nothing in common explain k/d of the variance, and the
code suggested is the one that explains most beyond that. On a curve from (0, 0) to (d, 1) this is
the knee of V. Satopää et al., "Finding a 'kneedle' in a haystack", 2011; of PCA it keeps the
components of more than mean variance, the rule of L. Guttman, "Some necessary conditions for
common-factor analysis", 1954. Chance is allowed for by the rule of one standard error (L. Breiman
et al., "Classification and regression trees", 1984, section 3.4.3): the smallest size counts that
is within one standard error of the best, by differences between errors of the same rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.steps import Step, step
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.unseen import Unseen, unseen_errors
from gpuae.words import counted, percent

MOST_UNITS = 64
"""Larger codes are tried only if they are asked for."""
RESOLUTION = 8
"""The suggested size is found to within an eighth of itself, or exactly if it is smaller."""

Errors = Mapping[int, NDArray[np.float64]]
"""For each code size the errors of the unseen rows, (n,)."""


@dataclass(frozen=True)
class Size:
    """What a code of one size explains of the variance of unseen rows, and PCA of that size."""

    code_size: int
    explained_variance: float
    pca_explained_variance: float
    seconds: float
    """Of training and measuring the autoencoder."""


@dataclass(frozen=True)
class Dimensions:
    """What was found; `str` gives the suggestion with its reason."""

    rows: int
    """Unseen rows that were measured."""
    columns: int
    """Of the data, without those that are constant."""
    largest: int
    """The largest code that could have been tried."""
    sizes: tuple[Size, ...]
    """Ascending."""
    suggested: int
    """Code units; 0 where no code is worth its units."""
    suggested_explained_variance: float
    pca_suggested: int
    """Components; of all numbers of them up to the largest code that was to be tried."""
    pca_suggested_explained_variance: float
    interrupted: bool = False

    def __str__(self) -> str:
        due = percent(1 / self.columns)
        if not self.suggested:
            return (
                f"no code explains more than {due} of the variance of {self.rows} unseen rows for "
                "each of its units, as a column by itself does: the columns have too little in "
                "common, or training found too little of it"
            )
        text = (
            f"{counted(self.suggested, 'code unit')}: {percent(self.suggested_explained_variance)}"
            f" of the variance of {self.rows} unseen rows is explained; "
        )
        if self.suggested == self.sizes[-1].code_size < self.largest:
            return text + f"larger codes were not tried, and may add more than {due} a unit"
        return (
            f"{text}beyond that a unit adds no more, to one standard error, than the {due} that a "
            "column explains by itself"
        )

    def pca_sentence(self) -> str:
        """Return the same of PCA."""
        share = percent(self.pca_suggested_explained_variance)
        components = counted(self.pca_suggested, "component")
        return f"PCA by the same rule: {components}, which explain {share}"


def find_dimensions(
    x: NDArray[Any],
    config: Config | None = None,
    most: int | None = None,
    *,
    tell: Callable[[Size], None] | None = None,
    note: Callable[[str], None] | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> Dimensions | None:
    """Try codes of 1, 2, 4, 8, … units on the rows of x (n, d), and some around the best.

    Parameters
    ----------
    config
        Settings of all trainings, without `hidden`.
    most
        The largest code to try [64]; never more than there are columns or rows.
    tell
        Is given each size when it has been measured.
    note
        Is told what the data give reason to remark.

    Returns
    -------
    Dimensions or None
        After Ctrl-C what the sizes that were measured come to; None where there are none.

    Raises
    ------
    ConfigError
        For settings that leave no rows unseen, or other ones for every size.
    InputError
        Where the rows are too few, or all the same.
    """
    config = config or Config()
    check_settings(config)
    if most is not None and most < 1:
        raise ConfigError(f"max: a code has 1 unit or more, not {most}")
    largest = min(most or MOST_UNITS, *x.shape)
    search = _Search(x, config, largest, note, image_shape)
    interrupted = False
    try:
        for size in search:
            if tell is not None:
                tell(size)
    except KeyboardInterrupt:
        interrupted = True
    return search.result(interrupted=interrupted) if search.sizes else None


def suggest(errors: Errors, variance: float, columns: int) -> int:
    """Return the code size that these errors speak for; the text of this module has the rule.

    Parameters
    ----------
    errors
        With size 0: those of the mean.
    variance
        Of the unseen rows, in the unit of the errors.
    columns
        Of the data.
    """

    def gain(size: int) -> float:
        return 1.0 - float(errors[size].mean()) / variance - size / columns

    best = max(sorted(errors), key=gain)
    for size in sorted(errors):
        difference = (errors[size] - errors[best]) / variance
        chance = float(difference.std()) / math.sqrt(len(difference))
        if gain(best) - gain(size) <= chance:
            return size
    return best


def check_settings(config: Config) -> None:
    """Refuse settings that do not go with trying sizes.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    if config.hidden is not None:
        raise ConfigError(
            "hidden: the size of the code is what is tried; leave hidden out, and give depth if "
            "the number of layers matters"
        )
    if config.validation == 0:
        raise ConfigError("validation: sizes are compared on unseen rows; give a share above 0")
    if config.max_time is not None:
        raise ConfigError(
            "max_time: is of one training; leave it out: Ctrl-C ends the search with what was found"
        )
    if config.trim:
        raise ConfigError("trim: would leave out other rows for every size; leave it out")


class _Search:
    """Sizes that have been tried, and which comes next; iterates over them as they are tried."""

    def __init__(
        self,
        x: NDArray[Any],
        config: Config,
        largest: int,
        note: Callable[[str], None] | None,
        image_shape: tuple[int, ...] | None,
    ) -> None:
        self._x, self._config, self._largest = x, config, largest
        self._note, self._image_shape = note, image_shape
        self._unseen: Unseen | None = None
        self._errors: dict[int, NDArray[np.float64]] = {}
        self.sizes: list[Size] = []

    def __iter__(self) -> Iterator[Size]:
        for size in grid(self._largest):
            yield self._try(size)
        while (between := next_between(self._errors, self._suggested())) is not None:
            yield self._try(between)

    def result(self, *, interrupted: bool) -> Dimensions:
        """Return what the sizes so far come to."""
        unseen, suggested = self._known(), self._suggested()
        pca_suggested = suggest(unseen.pca_errors, unseen.variance, unseen.columns)
        return Dimensions(
            rows=len(unseen.pca_errors[0]),
            columns=unseen.columns,
            largest=min(self._x.shape),
            sizes=tuple(sorted(self.sizes, key=lambda size: size.code_size)),
            suggested=suggested,
            suggested_explained_variance=unseen.explained(self._errors[suggested]),
            pca_suggested=pca_suggested,
            pca_suggested_explained_variance=unseen.explained(unseen.pca_errors[pca_suggested]),
            interrupted=interrupted,
        )

    def _suggested(self) -> int:
        unseen = self._known()
        return suggest(self._errors, unseen.variance, unseen.columns)

    def _known(self) -> Unseen:
        if self._unseen is None:
            raise RuntimeError("no size has been tried")
        return self._unseen

    def _try(self, size: int) -> Size:
        began = time.perf_counter()
        config = self._config.model_copy(update={"hidden": (size,)})
        with step(0, "rows") as told:
            observer = _Watching(told, None if self.sizes else self._note)
            fitted = fit(self._x, config, observer=observer, image_shape=self._image_shape)
        if fitted.interrupted:
            raise KeyboardInterrupt
        fitted.raise_if_diverged()
        errors = unseen_errors(fitted)
        if self._unseen is None:
            self._unseen = Unseen.of(fitted, self._largest)
            self._errors[0] = self._unseen.pca_errors[0]
        seconds = time.perf_counter() - began
        unseen = self._unseen
        self._errors[size] = errors
        pca = unseen.explained(unseen.pca_errors[size])
        self.sizes.append(Size(size, unseen.explained(errors), pca, seconds))
        return self.sizes[-1]


class _Watching(Silence):
    """Passes on how far a training is and, of the first size, remarks: they are of all sizes."""

    def __init__(self, told: Step, note: Callable[[str], None] | None) -> None:
        self._told, self._note = told, note
        self._rows = 0

    def note(self, message: str) -> None:
        """Pass it on."""
        if self._note is not None:
            self._note(message)

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Count the rows of all epochs."""
        self._rows = rows
        self._told.total = rows * config.resolved("epochs")

    def rows_done(self, epoch: int, rows: int) -> None:
        """Pass it on."""
        self._told.reach((epoch - 1) * self._rows + rows)


def grid(largest: int) -> Iterator[int]:
    """Yield 1, 2, 4, 8, … and `largest`."""
    size = 1
    while size < largest:
        yield size
        size *= 2
    yield largest


def next_between(tried: Mapping[int, object], best: int) -> int | None:
    """Return the middle of the wider gap beside `best`; None where both are narrow."""
    gaps = [
        (best - max((size for size in tried if size < best), default=best), -1),
        (min((size for size in tried if size > best), default=best) - best, 1),
    ]
    width, side = max(gaps)
    return None if width <= max(1, best // RESOLUTION) else best + side * (width // 2)
