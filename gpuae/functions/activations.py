"""Activations: one record each; its CUDA struct is in kernels/activations.cuh.

Derivatives are functions of z and of a = f(z), so that each is told from what costs least. Only
where one needs z is z kept from the forward to the backward pass; else it may be given as a.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gpuae.functions.deferred import Deferred
from gpuae.functions.elementary import exp, expm1, log1p_unit, normal_cdf, tanh

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy import special

    Matrix: TypeAlias = NDArray[Any]
else:
    np, special = Deferred("numpy"), Deferred("scipy.special")

LEAKY_SLOPE = 0.01
OUTPUT_MARGIN = 0.02
"""Column means are kept so far away from where the output's activation saturates."""


# How scores are carried through a layer, so that it starts as PCA (`gpuae.model.pca_start`)


@dataclass(frozen=True)
class Straight:
    """f(z) = z: a unit carries a score as it is."""


@dataclass(frozen=True)
class Pairs:
    """f(z) − f(−z) = gain·z for all z: two units carry a score without loss.

    Attributes
    ----------
    straight_from
        The z from which f(z) is z, or all but: one unit carries a score that stays above it.
    middle
        f(0): what a unit gives that nothing is sent to.
    """

    gain: float = 1.0
    straight_from: float = 0.0
    middle: float = 0.0


@dataclass(frozen=True)
class Nearly:
    """Near 0 f is nearly straight, with this slope: a unit carries a score that is made small.

    Attributes
    ----------
    reach
        Times as far as tanh it is as straight as tanh.
    """

    slope: float = 1.0
    reach: float = 1.0


@dataclass(frozen=True)
class Activation:
    """An activation f and all that is asked about it.

    Attributes
    ----------
    formula, derivative_formula
        f(z), and f′ by z and a = f(z), for documents.
    value, derivative
        The definition: f of a matrix, and f′ from the matrices of z and a.
    compiled_value, compiled_derivative
        The same of one element, for compiled loops; they may call elementary functions alone.
    struct
        Name of the CUDA struct.
    needs_z
        Whether f′ cannot be told from a alone.
    range
        Bounds of f.
    carries
        How its units carry a score.
    inverse
        For means and deviations of output columns (d,): z with f(z) = mean, as far as f reaches
        it, and the slope there. Where f grows too fast for a line to stand for it, such that f of a
        normal z has the mean.
    rectifier
        Whether weights of `init=he` suit it.
    output_only
        Whether hidden layers of it would make no sense.
    """

    name: str
    formula: str
    derivative_formula: str
    value: Callable[[Matrix], Matrix]
    derivative: Callable[[Matrix, Matrix], Matrix]
    compiled_value: Callable[[Any], Any]
    compiled_derivative: Callable[[Any, Any], Any]
    struct: str
    range: tuple[float, float]
    carries: Straight | Pairs | Nearly
    inverse: Callable[[Matrix, Matrix], tuple[Matrix, Matrix]]
    needs_z: bool = False
    rectifier: bool = False
    output_only: bool = False

    @property
    def bounded(self) -> bool:
        """Whether a mean activation has bounds, between which a penalty may want it."""
        return all(map(math.isfinite, self.range))

    @property
    def signed(self) -> bool:
        """Whether it is negative, too; where it is bounded, from −1 to 1."""
        return self.range[0] < 0

    @property
    def undone_by_transpose(self) -> bool:
        """Whether a decoder with the encoder's weights gives back what units of it carry."""
        own = self.carries
        pairs = isinstance(own, Pairs) and own.gain == 1 and own.middle == 0
        return pairs or isinstance(own, Straight)


# sigmoid


def _expit(z: Matrix) -> Matrix:
    return np.asarray(special.expit(z))


def _sigmoid(z: Any) -> Any:
    """Return 1/(1 + e⁻ᶻ)."""
    return type(z)(1) / (type(z)(1) + exp(-z))


def _sigmoid_derivative(_z: Any, a: Any) -> Any:
    """Return a(1 − a)."""
    return a * (type(a)(1) - a)


def _logit(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    inside = np.clip(mean, OUTPUT_MARGIN, 1 - OUTPUT_MARGIN)
    return np.log(inside / (1 - inside)), inside * (1 - inside)


SIGMOID = Activation(
    name="sigmoid",
    formula="1/(1 + e⁻ᶻ)",
    derivative_formula="a(1 − a)",
    value=_expit,
    derivative=lambda z, a: a * (1 - a),
    compiled_value=_sigmoid,
    compiled_derivative=_sigmoid_derivative,
    struct="Sigmoid",
    range=(0.0, 1.0),
    carries=Nearly(slope=0.25, reach=2.0),  # it is (1 + tanh(z/2))/2
    inverse=_logit,
)


# tanh


def _tanh(z: Matrix) -> Matrix:
    return np.tanh(z)


def _hyperbolic_tangent(z: Any) -> Any:
    """Return tanh z."""
    return tanh(z)


def _tanh_derivative(_z: Any, a: Any) -> Any:
    """Return 1 − a²."""
    return type(a)(1) - a * a


def _artanh(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    inside = np.clip(mean, OUTPUT_MARGIN - 1, 1 - OUTPUT_MARGIN)
    return np.arctanh(inside), 1 - inside**2


TANH = Activation(
    name="tanh",
    formula="tanh z",
    derivative_formula="1 − a²",
    value=_tanh,
    derivative=lambda z, a: 1 - a * a,
    compiled_value=_hyperbolic_tangent,
    compiled_derivative=_tanh_derivative,
    struct="Tanh",
    range=(-1.0, 1.0),
    carries=Nearly(),
    inverse=_artanh,
)


# relu


def _relu(z: Any) -> Any:
    """Return max(z, 0); NaN stays NaN."""
    return type(z)(0) if z < 0 else z


def _relu_derivative(_z: Any, a: Any) -> Any:
    """Return 1 where a > 0."""
    return type(a)(1) if a > 0 else type(a)(0)


def _same(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    return mean, np.ones(len(mean))


RELU = Activation(
    name="relu",
    formula="max(z, 0)",
    derivative_formula="1 where a > 0, else 0",
    value=lambda z: np.maximum(z, 0),
    derivative=lambda z, a: (a > 0).astype(a.dtype),
    compiled_value=_relu,
    compiled_derivative=_relu_derivative,
    struct="Relu",
    range=(0.0, math.inf),
    carries=Pairs(),
    inverse=_same,
    rectifier=True,
)


# leaky_relu


def _leaky_relu(z: Any) -> Any:
    """Return z where z > 0, else 0.01·z."""
    return z if z > 0 else type(z)(LEAKY_SLOPE) * z


def _leaky_relu_derivative(_z: Any, a: Any) -> Any:
    """Return 1 where a > 0, else 0.01."""
    return type(a)(1) if a > 0 else type(a)(LEAKY_SLOPE)


def _leaky_inverse(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    slope = np.where(mean < 0, LEAKY_SLOPE, 1.0)
    return mean / slope, slope


LEAKY_RELU = Activation(
    name="leaky_relu",
    formula="z where z > 0, else 0.01 z",
    derivative_formula="1 where a > 0, else 0.01",
    value=lambda z: np.where(z > 0, z, z.dtype.type(LEAKY_SLOPE) * z),
    derivative=lambda z, a: np.where(a > 0, 1, LEAKY_SLOPE).astype(a.dtype),
    compiled_value=_leaky_relu,
    compiled_derivative=_leaky_relu_derivative,
    struct="LeakyRelu",
    range=(-math.inf, math.inf),
    carries=Pairs(gain=1 + LEAKY_SLOPE),
    inverse=_leaky_inverse,
    rectifier=True,
)


# identity


def _identity(z: Any) -> Any:
    """Return z."""
    return z


def _identity_derivative(_z: Any, a: Any) -> Any:
    """Return 1."""
    return type(a)(1)


IDENTITY = Activation(
    name="identity",
    formula="z",
    derivative_formula="1",
    value=lambda z: z,
    derivative=lambda z, a: np.ones_like(a),
    compiled_value=_identity,
    compiled_derivative=_identity_derivative,
    struct="Identity",
    range=(-math.inf, math.inf),
    carries=Straight(),
    inverse=_same,
)


# gelu (D. Hendrycks, K. Gimpel: Gaussian error linear units, 2016), exact

FLAT_BELOW = -12.5
"""Below it gelu keeps its value, −5·10⁻³⁵, so that z = −∞ is no product of it and 0."""
NORMAL_PEAK = 1 / math.sqrt(2 * math.pi)


def _normal_mean(z: Matrix) -> Matrix:
    z = np.maximum(z, FLAT_BELOW)
    return np.asarray(z * special.ndtr(z))


def _normal_mean_derivative(z: Matrix, _a: Matrix) -> Matrix:
    z = np.clip(z, FLAT_BELOW, -FLAT_BELOW)
    return np.asarray(special.ndtr(z) + z * (NORMAL_PEAK * np.exp(-0.5 * z * z)))


def _gelu(z: Any) -> Any:
    """Return z·Φ(z)."""
    z = type(z)(FLAT_BELOW) if z < FLAT_BELOW else z
    return z * normal_cdf(z)


def _gelu_derivative(z: Any, _a: Any) -> Any:
    """Return Φ(z) + z·φ(z)."""
    number = type(z)
    z = number(FLAT_BELOW) if z < FLAT_BELOW else number(-FLAT_BELOW) if z > -FLAT_BELOW else z
    return normal_cdf(z) + z * (number(NORMAL_PEAK) * exp(number(-0.5) * z * z))


def _rising(
    value: Callable[[Matrix], Matrix], derivative: Callable[[Matrix, Matrix], Matrix], least: float
) -> Callable[[Matrix, Matrix], tuple[Matrix, Matrix]]:
    """Return the inverse of what rises from z = `least` on and is above z − 2, by bisection."""

    def inverse(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
        low, high = np.full(len(mean), least), np.maximum(mean, 0) + 2
        for _ in range(60):
            middle = (low + high) / 2
            below = value(middle) < mean
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low, derivative(low, value(low))

    return inverse


GELU = Activation(
    name="gelu",
    formula="z Φ(z), Φ of the normal distribution",
    derivative_formula="Φ(z) + z e^(−z²/2)/√(2π)",
    value=_normal_mean,
    derivative=_normal_mean_derivative,
    compiled_value=_gelu,
    compiled_derivative=_gelu_derivative,
    struct="Gelu",
    range=(-0.17, math.inf),
    carries=Pairs(straight_from=2.5),
    inverse=_rising(_normal_mean, _normal_mean_derivative, least=-0.5),
    needs_z=True,
    rectifier=True,
)


# silu, also called swish (D. Hendrycks, K. Gimpel: Gaussian error linear units, 2016)

VANISHES_BELOW = -80.0
"""Below it silu keeps its value, −10⁻³³, so that z = −∞ is no product of it and 0."""


def _weighted(z: Matrix) -> Matrix:
    z = np.maximum(z, VANISHES_BELOW)
    return np.asarray(z * special.expit(z))


def _weighted_derivative(z: Matrix, _a: Matrix) -> Matrix:
    z = np.clip(z, VANISHES_BELOW, -VANISHES_BELOW)
    share = special.expit(z)
    return np.asarray(share * (1 + z * (1 - share)))


def _silu(z: Any) -> Any:
    """Return z·σ(z)."""
    z = type(z)(VANISHES_BELOW) if z < VANISHES_BELOW else z
    return z / (type(z)(1) + exp(-z))


def _silu_derivative(z: Any, _a: Any) -> Any:
    """Return σ(z)·(1 + z·(1 − σ(z)))."""
    one = type(z)(1)
    z = type(z)(VANISHES_BELOW) if z < VANISHES_BELOW else z
    z = type(z)(-VANISHES_BELOW) if z > -VANISHES_BELOW else z
    share = one / (one + exp(-z))
    return share * (one + z * (one - share))


SILU = Activation(
    name="silu",
    formula="z/(1 + e⁻ᶻ)",
    derivative_formula="s(1 + z(1 − s)), s = 1/(1 + e⁻ᶻ)",
    value=_weighted,
    derivative=_weighted_derivative,
    compiled_value=_silu,
    compiled_derivative=_silu_derivative,
    struct="Silu",
    range=(-0.2785, math.inf),
    carries=Pairs(straight_from=6.0),
    inverse=_rising(_weighted, _weighted_derivative, least=-0.8),
    needs_z=True,
    rectifier=True,
)


# elu (D. Clevert, T. Unterthiner, S. Hochreiter: Fast and accurate deep network learning by
# exponential linear units, 2016), with α = 1


def _elu(z: Any) -> Any:
    """Return z where z > 0, else eᶻ − 1."""
    return z if z > 0 else expm1(z)


def _elu_derivative(_z: Any, a: Any) -> Any:
    """Return 1 where a > 0, else a + 1."""
    return type(a)(1) if a > 0 else a + type(a)(1)


def _elu_inverse(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    below = np.clip(mean, OUTPUT_MARGIN - 1, 0)
    return np.where(mean > 0, mean, np.log1p(below)), below + 1


ELU = Activation(
    name="elu",
    formula="z where z > 0, else eᶻ − 1",
    derivative_formula="1 where a > 0, else a + 1",
    value=lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    derivative=lambda z, a: np.where(a > 0, 1, a + 1).astype(a.dtype),
    compiled_value=_elu,
    compiled_derivative=_elu_derivative,
    struct="Elu",
    range=(-1.0, math.inf),
    carries=Nearly(reach=0.2),
    inverse=_elu_inverse,
    rectifier=True,
)


# softplus (C. Dugas et al.: Incorporating second-order functional knowledge for better option
# pricing, 2001)


def _softplus(z: Any) -> Any:
    """Return ln(1 + eᶻ) = max(z, 0) + ln(1 + e⁻|ᶻ|)."""
    positive = type(z)(0) if z < 0 else z
    return positive + log1p_unit(exp(-abs(z)))


def _softplus_derivative(_z: Any, a: Any) -> Any:
    """Return 1 − e⁻ᵃ."""
    return -expm1(-a)


def _softplus_inverse(mean: Matrix, _deviation: Matrix) -> tuple[Matrix, Matrix]:
    inside = np.maximum(mean, OUTPUT_MARGIN)
    slope = -np.expm1(-inside)
    return inside + np.log(slope), slope


SOFTPLUS = Activation(
    name="softplus",
    formula="ln(1 + eᶻ)",
    derivative_formula="1 − e⁻ᵃ",
    value=lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
    derivative=lambda z, a: -np.expm1(-a),
    compiled_value=_softplus,
    compiled_derivative=_softplus_derivative,
    struct="Softplus",
    range=(0.0, math.inf),
    carries=Pairs(straight_from=4.0, middle=math.log(2)),
    inverse=_softplus_inverse,
    rectifier=True,
)


# exponential

WIDEST_EXPONENT = 0.6
"""Largest deviation of z that weights begin with: e to the power of larger ones has a long tail."""


def _power(z: Matrix) -> Matrix:
    return np.exp(z)


def _exponential(z: Any) -> Any:
    """Return eᶻ."""
    return exp(z)


def _exponential_derivative(_z: Any, a: Any) -> Any:
    """Return a."""
    return a


def _logarithm(mean: Matrix, deviation: Matrix) -> tuple[Matrix, Matrix]:
    """Return μ and s of a normal z = μ + (what is wanted)/s: e^(μ + v/2) is its mean."""
    inside = np.maximum(mean, OUTPUT_MARGIN)
    slope = np.maximum(inside, deviation / WIDEST_EXPONENT)
    return np.log(inside) - (deviation / slope) ** 2 / 2, slope


EXPONENTIAL = Activation(
    name="exponential",
    formula="eᶻ",
    derivative_formula="a",
    value=_power,
    derivative=lambda z, a: a,
    compiled_value=_exponential,
    compiled_derivative=_exponential_derivative,
    struct="Exponential",
    range=(0.0, math.inf),
    carries=Nearly(reach=0.2),
    inverse=_logarithm,
    output_only=True,
)


ACTIVATIONS = {
    own.name: own
    for own in (SIGMOID, TANH, RELU, LEAKY_RELU, IDENTITY, GELU, SILU, ELU, SOFTPLUS, EXPONENTIAL)
}
"""All activations by name."""
