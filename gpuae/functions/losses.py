"""Losses of the reconstruction: one record each; its CUDA struct is in kernels/losses.cuh.

A loss of a row is a weighted sum of terms over its columns. Its derivative by z is an error times
f′, or the difference x̂ − x alone where the loss is of the logit that belongs to an activation. Or
it is a function of the row's three products x̂·x, x̂·x̂ and x·x, and its error is p·x + q·x̂.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gpuae.functions.activations import EXPONENTIAL, SIGMOID, Activation
from gpuae.functions.deferred import Deferred
from gpuae.functions.elementary import exp, log, log1p_unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[Any]
else:
    np = Deferred("numpy")

Settings: TypeAlias = Any
"""A resolved `gpuae.config.Config`."""


@dataclass(frozen=True)
class Targets:
    """What preprocessed rows have to be for a loss to make sense of them.

    Attributes
    ----------
    words
        As a sentence says it: targets …
    lowest, highest
        Their bounds.
    remedy
        What to do with data that are not so.
    scale
        The `scale` that suits them, where that does not depend on the data.
    """

    words: str
    lowest: float
    highest: float
    remedy: str
    scale: str | None = None

    def include(self, lowest: float, highest: float) -> bool:
        """Whether all targets between two numbers are so."""
        return self.lowest <= lowest and highest <= self.highest


ANY_TARGETS = Targets("of any size", -math.inf, math.inf, "")
UNIT_TARGETS = Targets("in [0, 1]", 0.0, 1.0, "use scale=minmax or scale=unit")
COUNTS = Targets(
    "of 0 or more", 0.0, math.inf, "give counts with scale=none, or take another loss", "none"
)


@dataclass(frozen=True)
class Loss:
    """A loss and all that is asked about it.

    Attributes
    ----------
    formula
        Of one row, for documents,
    sentence
        and in words, for help.
    weight, delta_weight
        What the sum of the terms, and the errors, are multiplied by,
    averaged
        and whether they are divided by the number of columns d, too.
    terms, errors
        The definition: from the matrices z, x̂ and x the terms of the sum, and from x̂ and x what is
        multiplied by f′. Their last argument, as that of all others, is the loss's parameter.
    compiled_term, compiled_error
        The same of one element, as functions of x̂ − x, for compiled loops; they may call elementary
        functions alone.
    compiled_outcome
        Instead, where the loss has an output activation of its own: x̂ and the term, from z and x.
    compiled_row
        Instead, where the loss is of the row's products: the loss, p and q, in float64.
    parameter
        Name of the setting that is the parameter, and its default; None: there is none.
    struct
        Name of the CUDA struct, a template of the activation's where the loss has none of its own.
    output
        The activation that the loss has of its own; f′ and the errors then make x̂ − x.
    reason
        Why, to be said to who gives another one.
    targets
        What rows have to be.
    share_of
        What a model explains a share of, where that is not the variance: a word for the loss.
    logit
        z of x̂, where the terms need it and a share is told.
    scale_free
        Whether a row x̂ may have any length.
    """

    name: str
    formula: str
    sentence: str
    struct: str
    terms: Callable[[Matrix, Matrix, Matrix, float], Matrix]
    errors: Callable[[Matrix, Matrix, float], Matrix]
    weight: float = 1.0
    delta_weight: float = 1.0
    averaged: bool = True
    compiled_term: Callable[[Any, Any], Any] | None = None
    compiled_error: Callable[[Any, Any], Any] | None = None
    compiled_outcome: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None
    compiled_row: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]] | None = None
    parameter: tuple[str, float] | None = None
    output: Activation | None = None
    reason: str = ""
    targets: Targets = ANY_TARGETS
    share_of: str = ""
    logit: Callable[[Matrix], Matrix] = lambda output: output
    scale_free: bool = False

    @property
    def keeps_size(self) -> bool:
        """Whether it is of one size however many columns there are."""
        return self.averaged or self.compiled_row is not None

    @property
    def is_by_column(self) -> bool:
        """Whether it is a sum over columns, rather than a function of whole rows."""
        return self.compiled_row is None

    def takes(self, activation: str) -> bool:
        """Whether the output may have this activation."""
        return self.output is None or self.output.name == activation

    def parameter_of(self, settings: Settings) -> float:
        """Return the parameter that settings have; 0 where there is none."""
        return float(settings.resolved(self.parameter[0])) if self.parameter else 0.0

    def value_factor(self, columns: int) -> float:
        """Return what the sum of a row's terms is multiplied by."""
        return self.weight / self._divisor(columns)

    def delta_factor(self, columns: int) -> float:
        """Return what errors are multiplied by, beside 1/m."""
        return self.delta_weight / self._divisor(columns)

    def value(
        self,
        z: Matrix,
        output: Matrix,
        target: Matrix,
        parameter: float,
        row_weights: Matrix | None = None,
    ) -> float:
        """Return the sum over rows, from z, x̂ and x (m, d); each row times its weight, (m, 1)."""
        terms = self.terms(z, output, target, parameter)
        if row_weights is not None:
            terms = terms * row_weights.reshape(-1, *[1] * (terms.ndim - 1))
        total = terms.sum(dtype=np.float64)
        return float(self.weight * total / self._divisor(target.shape[1]))

    def between(
        self,
        output: Matrix,
        target: Matrix,
        parameter: float,
        row_weights: Matrix | None = None,
    ) -> float:
        """Return the same from x̂ and x (m, d) alone: z is what would give x̂."""
        return self.value(self.logit(output), output, target, parameter, row_weights)

    def _divisor(self, columns: int) -> int:
        return columns if self.averaged else 1


# mse, sse


def _squares(_z: Matrix, output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    return np.asarray((output - target) ** 2)


def _difference(output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    return output - target


def _square(error: Any, _parameter: Any) -> Any:
    """Return e²."""
    return error * error


def _error(error: Any, _parameter: Any) -> Any:
    """Return e."""
    return error


MSE = Loss(
    name="mse",
    formula="(1/d) Σ (x̂ − x)²",
    sentence="squared error, mean over columns",
    struct="SquaredError",
    terms=_squares,
    errors=_difference,
    compiled_term=_square,
    compiled_error=_error,
    delta_weight=2.0,
)

SSE = Loss(
    name="sse",
    formula="½ Σ (x̂ − x)²",
    sentence="half the sum of squared errors",
    struct="SquaredError",
    terms=_squares,
    errors=_difference,
    compiled_term=_square,
    compiled_error=_error,
    weight=0.5,
    averaged=False,
)


# bce


def _entropies(z: Matrix, _output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    return np.asarray(np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z))))


def _logit(probability: Matrix) -> Matrix:
    number = np.finfo(probability.dtype)
    inside = np.clip(probability, number.tiny, 1 - number.epsneg)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _cross_entropy(logit: Any, target: Any, _parameter: Any) -> Any:
    """Return σ(z) and its cross-entropy with x, max(z, 0) − z·x + ln(1 + e⁻|ᶻ|), from one eˣ."""
    one = type(logit)(1)
    small = exp(-abs(logit))
    probability = (one if logit > 0 else small) / (one + small)
    positive = type(logit)(0) if logit < 0 else logit
    return probability, positive - logit * target + log1p_unit(small)


BCE = Loss(
    name="bce",
    formula="(1/d) Σ max(z, 0) − z x + ln(1 + e⁻|ᶻ|), z the logit of x̂",
    sentence="cross-entropy, of targets in [0, 1]",
    struct="CrossEntropy",
    terms=_entropies,
    errors=_difference,
    compiled_outcome=_cross_entropy,
    output=SIGMOID,
    reason="the cross-entropy is of probabilities",
    targets=UNIT_TARGETS,
    logit=_logit,
)


# huber (P. Huber: Robust estimation of a location parameter, 1964, equation 3.6)


def _huber_terms(_z: Matrix, output: Matrix, target: Matrix, delta: float) -> Matrix:
    error, inside = output - target, _within(output, target, delta)
    return np.asarray(inside * (error - inside / 2))


def _within(output: Matrix, target: Matrix, delta: float) -> Matrix:
    return np.asarray(np.clip(output - target, -delta, delta))


def _huber_term(error: Any, delta: Any) -> Any:
    """Return e²/2 where |e| ≤ δ, else δ(|e| − δ/2)."""
    inside = -delta if error < -delta else delta if error > delta else error
    return inside * (error - inside * type(error)(0.5))


def _clipped(error: Any, delta: Any) -> Any:
    """Return e within ±δ."""
    return -delta if error < -delta else delta if error > delta else error


HUBER = Loss(
    name="huber",
    formula="(1/d) Σ c e − c²/2, e = x̂ − x, c = e kept within ±δ; δ is `huber_delta`",
    sentence="half the squared error, but errors above huber_delta count linearly; mean",
    struct="Huber",
    terms=_huber_terms,
    errors=_within,
    compiled_term=_huber_term,
    compiled_error=_clipped,
    parameter=("huber_delta", 1.0),
)


# poisson: half the deviance of counts (P. McCullagh, J. Nelder: Generalized linear models, 1989,
# table 2.1), by the logarithm z of their rate


def _half_deviances(z: Matrix, output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    positive = np.where(target > 0, target, target.dtype.type(1))
    return np.asarray(target * (np.log(positive) - z) + (output - target))


def _half_deviance(z: Any, target: Any, _parameter: Any) -> Any:
    """Return eᶻ and x·(ln x − z) + eᶻ − x, where x ln x is 0 for an x that is not positive."""
    rate = exp(z)
    positive = target if target > 0 else type(target)(1)
    return rate, target * (log(positive) - z) + (rate - target)


POISSON = Loss(
    name="poisson",
    formula="(1/d) Σ x (ln x − z) + eᶻ − x, z the logarithm of x̂, 0 ln 0 = 0: half the deviance",
    sentence="half the Poisson deviance of counts, mean over columns",
    struct="HalfDeviance",
    terms=_half_deviances,
    errors=_difference,
    compiled_outcome=_half_deviance,
    output=EXPONENTIAL,
    reason="the deviance is of rates",
    targets=COUNTS,
    share_of="deviance",
    logit=lambda rate: np.log(np.maximum(rate, np.finfo(rate.dtype).tiny)),
)


# cosine


def _cosine_distances(_z: Matrix, output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    return _by_products(output, target)[0]


def _cosine_errors(output: Matrix, target: Matrix, _parameter: float) -> Matrix:
    _, p, q = _by_products(output, target)
    return np.asarray((p[:, None] * target + q[:, None] * output).astype(output.dtype))


def _by_products(output: Matrix, target: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return 1 − cos, and p and q of its derivative p·x + q·x̂; 1, 0 and 0 for rows of zeros."""
    product, own, size = (
        np.multiply(a, b, dtype=np.float64).sum(axis=1)
        for a, b in ((output, target), (output, output), (target, target))
    )
    lengths = np.sqrt(own) * np.sqrt(size)
    zero = lengths == 0
    lengths = np.where(zero, 1, lengths)
    p, cosine = np.where(zero, 0, -1 / lengths), np.where(zero, 0, product / lengths)
    return 1 - cosine, p, cosine / np.where(zero, 1, own)


def _cosine(product: Any, own: Any, size: Any, _parameter: Any) -> Any:
    """Return 1 − cos, p and q from x̂·x, x̂·x̂ and x·x."""
    lengths = math.sqrt(own) * math.sqrt(size)
    if lengths == 0:
        return 1.0, 0.0, 0.0
    cosine = product / lengths
    return 1.0 - cosine, -1.0 / lengths, cosine / own


COSINE = Loss(
    name="cosine",
    formula="1 − x̂·x/√(x̂·x̂ x·x), 1 where one of the two is all zeros",
    sentence="1 less the cosine between the two rows",
    struct="CosineDistance",
    terms=_cosine_distances,
    errors=_cosine_errors,
    averaged=False,
    compiled_row=_cosine,
    share_of="cosine distance",
    scale_free=True,
)


LOSSES = {own.name: own for own in (MSE, SSE, BCE, HUBER, POISSON, COSINE)}
"""All losses by name."""
