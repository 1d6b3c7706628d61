"""The operations of a training step, as every backend provides them.

Rules that make the same step run from Python, from a compiled loop or from a captured CUDA graph:

* An operation writes into buffers it is given and allocates nothing.
* What changes from step to step (epoch, first row, step number, learning rate) is read from the
  buffers of a `Clock`, so a step's calls can be recorded once and replayed.
* Matrices are C-contiguous with rows as samples; a product also takes some columns of one.
* Sums of losses over rows, dot products and the column sums of the code are accumulated in float64;
  within a row a loss may be summed in the matrix's own type, a few thousand columns at a time.

`numpy_ops` defines what each operation means; the others are compared with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray

from gpuae.backends import philox
from gpuae.config import Activation, Loss, Noise

Array: TypeAlias = Any
"""An array of the backend: NumPy's on the CPU, CuPy's on a GPU."""

ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-8
RHO_FLOOR = 1e-6
"""The mean activation of a code unit is kept this far away from 0 and 1."""

NORMAL: tuple[Noise, ...] = ("gaussian", "clipped_gaussian")
"""Kinds of noise that are drawn from a normal distribution, of standard deviation `level`."""

EPOCH, START, STEP, ROW_BASE = range(4)
"""Places in `Clock.counters`."""


@dataclass(frozen=True)
class Clock:
    """Where training stands, in buffers of the device.

    Attributes
    ----------
    counters
        int64 of shape (4,): epoch, position in the order where the batch starts, steps taken,
        and the number that the first row of the source has in the data.
    rate
        float64 of shape (1,): the learning rate.
    """

    counters: Array
    rate: Array


@dataclass(frozen=True)
class Rows:
    """Some rows of the current batch: those at order[start + first : start + first + count].

    Their number in the data, which random numbers are drawn by, is the entry of `order` plus
    the clock's ROW_BASE. Where they are in the source is said by `places`, as long as `order`, or
    by `order` itself.
    """

    order: Array
    clock: Clock
    first: int
    count: int
    places: Array | None = None


@dataclass(frozen=True)
class Scaling:
    """Per column: scaled = clip((x − center)·factor, low, high), computed in center's dtype.

    That is the common type of rows and batch, or a finer one.
    """

    center: Array
    factor: Array
    low: float
    high: float


@dataclass(frozen=True)
class Corruption:
    """Noise on the input.

    `low` and `high`, of shape (d,), are what salt_pepper sets and clipped_gaussian stays within.
    """

    kind: Noise
    level: float
    seed: int
    low: Array
    high: Array

    @property
    def threshold(self) -> int:
        """Words below it are events, where the level is a probability; else 0."""
        return 0 if self.kind in NORMAL else philox.threshold(self.level)


SPARSE_SHARE = 1 / 16


def sparse_pays(k: int, units: int) -> bool:
    """Whether products with k active of so many units are faster than those with all of them."""
    return k <= SPARSE_SHARE * units


Fetched: TypeAlias = Callable[[], NDArray[Any]]
"""Waits for an array that is on its way to the host, and returns it: the caller's own. It must be
kept until then, or until the session has ended."""


class Program(Protocol):
    """Operations that were recorded, ready to be carried out again and again."""

    def replay(self, times: int) -> None:
        """Carry them out in their order, so many times."""
        ...


class Recorder(Protocol):
    """Records what one thread does."""

    @property
    def ops(self) -> Ops:
        """Operations whose calls are recorded, not carried out."""
        ...

    def barrier(self) -> None:
        """Record that the thread waits for all others of its group to come to the same call."""
        ...

    def take(self) -> Program:
        """Return what was recorded since the last time."""
        ...


class Ops(Protocol):
    """What a backend can do. Shapes: m rows, n columns."""

    name: str

    def recorders(self, threads: int, barrier: Callable[[], object]) -> list[Recorder]:
        """Return a recorder for each of a group of threads.

        `barrier` is how they wait for each other in the interpreter, where a backend has no better
        way. All of them must be replaying before one may wait.
        """
        ...

    def session(self) -> AbstractContextManager[object]:
        """Return a context in which this process's threads may run operations side by side."""
        ...

    # Memory

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate a buffer with undefined contents."""
        ...

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate a buffer of zeros."""
        ...

    def asarray(self, host: NDArray[Any]) -> Array:
        """Bring a host array to the device; on the CPU it may be the same memory."""
        ...

    def assign(self, target: Array, host: NDArray[Any]) -> None:
        """Copy a host array of the same shape into a buffer."""
        ...

    def to_host(self, array: Array) -> NDArray[Any]:
        """Return a copy on the host."""
        ...

    def fill(self, array: Array, value: float) -> None:
        """Set every element."""
        ...

    def start_epoch(self, clock: Clock, epoch: int, rate: float, row_base: int) -> None:
        """Set epoch, learning rate and row base; go back to the first row of the order."""
        ...

    def advance(self, clock: Clock, count: int) -> None:
        """Count a step and move on by `count` rows."""
        ...

    # Matrix products

    def gemm(
        self,
        a: Array,
        b: Array,
        out: Array,
        transpose_a: bool = False,
        transpose_b: bool = False,
        accumulate: bool = False,
    ) -> None:
        """Compute out = a·b, or out += a·b; each of a and b may be taken transposed."""
        ...

    # From rows to batches

    def gather(self, rows: Rows, source: Array, scaling: Scaling, out: Array) -> None:
        """Pick rows of `source` (any real type), cast and scale them into out (m, n)."""
        ...

    def corrupt(self, rows: Rows, x: Array, noise: Corruption, out: Array) -> None:
        """Write x (m, n) with noise on it into out."""
        ...

    def gather_corrupt(
        self,
        rows: Rows,
        source: Array,
        scaling: Scaling,
        noise: Corruption,
        out: Array,
        noisy: Array,
    ) -> None:
        """Do both at once: clean rows into out, noisy ones into `noisy`."""
        ...

    def normalize_rows(self, x: Array, total: float) -> None:
        """Bring the sum of each row of x (m, n) to `total`; a row whose sum is 0 stays as it is."""
        ...

    def log1p(self, x: Array, center: Array, out: Array) -> None:
        """Write ln(1 + x) − center of x (m, n), none of it below 0, into out; it may be x."""
        ...

    def unscale(self, x: Array, scaling: Scaling, out: Array) -> None:
        """Invert the scaling (not its clipping): out = x / factor + center."""
        ...

    # Forward

    def bias_activation(
        self, z: Array, bias: Array, activation: Activation, preactivation: Array | None = None
    ) -> None:
        """Replace z (m, n) by f(z + bias), and keep z + bias if there is a place."""
        ...

    def bias_activation_dropout(
        self,
        rows: Rows,
        z: Array,
        bias: Array,
        activation: Activation,
        layer: int,
        rate: float,
        seed: int,
        mask: Array,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        """Do `bias_activation`, draw `dropout_mask` into mask and write a ∘ mask to out."""
        ...

    def topk_mask(self, a: Array, k: int, mask: Array) -> None:
        """Set mask to 1 at the k largest of each row of a (ties to the lower column), else 0."""
        ...

    def dropout_mask(
        self, rows: Rows, layer: int, rate: float, seed: int, mask: Array, combine: bool
    ) -> None:
        """Draw 0 (with probability `rate`) or 1/(1 − rate) into mask, or onto it if `combine`."""
        ...

    def multiply(self, a: Array, mask: Array, out: Array) -> None:
        """Compute out = a ∘ mask."""
        ...

    def copy_columns(
        self, source: Array, first: int, out: Array, out_first: int, count: int
    ) -> None:
        """Copy `count` columns of source (m, n), from `first` on, into out (m, k) at out_first."""
        ...

    def add_column_sums(self, a: Array, sums: Array, row_weights: Array | None = None) -> None:
        """Add the sum over rows of w·a, a (m, n), to sums (n,), float64."""
        ...

    def add_absolute_sum(self, a: Array, total: Array, row_weights: Array | None = None) -> None:
        """Add Σ w·|a| to total (1,), float64."""
        ...

    def row_errors(self, output: Array, target: Array, errors: Array) -> None:
        """Write the mean over columns of (x̂ − x)² of each row into errors (m,), float64."""
        ...

    # Objective and backward
    #
    # Rows may have weights w, `row_weights` (m, 1) in the type of the matrix; without them each
    # counts once.

    def output_loss(
        self,
        z: Array,
        bias: Array,
        target: Array,
        activation: Activation,
        loss: Loss,
        total: Array,
        parameter: float = 0.0,
        row_weights: Array | None = None,
    ) -> None:
        """Replace the last layer's products z by x̂ = f(z + bias); add Σ_rows w·loss to total (1,).

        `parameter` is that of the loss, if it has one.
        """
        ...

    def output_delta(
        self,
        z: Array,
        bias: Array,
        target: Array,
        activation: Activation,
        loss: Loss,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        parameter: float = 0.0,
        row_weights: Array | None = None,
    ) -> None:
        """Replace z by the delta ∂J/∂(z + bias) of the output layer.

        Adds Σ_rows w·loss to total (1,) and writes (or adds, if `accumulate`) the column sums of
        the delta to bias_gradient (n,).
        """
        ...

    def softmax(self, z: Array, bias: Array) -> None:
        """Replace z (m, n) by the softmax of the rows of z + bias."""
        ...

    def softmax_loss(
        self, z: Array, bias: Array, target: Array, total: Array, row_weights: Array | None = None
    ) -> None:
        """Do the same; add the cross-entropy Σ_rows w Σ_j t_j (ln Σ eᶻ − z_j) to total (1,).

        Targets t (m, n) are not negative; a row's sum need not be 1. Where t is 0 nothing is added,
        however low the logit.
        """
        ...

    def softmax_delta(
        self,
        z: Array,
        bias: Array,
        target: Array,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        row_weights: Array | None = None,
    ) -> None:
        """Replace z by the delta of the logits, w (p Σ_j t_j − t) / rows_of_step.

        Adds the loss and the delta's column sums as `output_delta` does.
        """
        ...

    def kl_slope(
        self,
        code_sums: Array,
        rows_of_step: int,
        rho: float,
        beta: float,
        activation: Activation,
        slope: Array,
        total: Array,
        weight_sum: Array | None = None,
    ) -> None:
        """Evaluate the KL penalty from the sums of the code over the rows of the step.

        slope (k,) becomes s·β(−ρ/ρ̂ + (1−ρ)/(1−ρ̂))/W; m·β Σ KL(ρ‖ρ̂) is added to total (1,). The
        sums are Σ w·a and W is Σ w, in `weight_sum` (1,), float64; without weights W is m.
        """
        ...

    def hidden_delta(
        self,
        delta: Array,
        a: Array,
        mask: Array | None,
        slope: Array | None,
        l1: float,
        activation: Activation,
        bias_gradient: Array,
        accumulate: bool,
        preactivation: Array | None = None,
        row_weights: Array | None = None,
    ) -> None:
        """Turn δ_next·Wᵀ in `delta` into this layer's delta.

        delta = (mask ∘ delta + w·(slope + l1·sign(a))) ∘ f′, f′ from the activation a before the
        mask and, where f′ needs it, the preactivation that `bias_activation` kept.
        The column sums go to bias_gradient as in `output_delta`.
        """
        ...

    # A code of which k of h units are active in each row
    #
    # As `indices` (m, k), int32, the units, each once and ascending in a row, and `values` (m, k).
    # What is not among them is never read of a weight and counts as 0 exactly.

    def topk(self, a: Array, k: int, indices: Array, values: Array) -> None:
        """Write the k largest of each row of a (m, h), as `topk_mask` chooses them."""
        ...

    def sparse_product(self, indices: Array, values: Array, w: Array, out: Array) -> None:
        """Compute out (m, d) = code·w, w (h, d)."""
        ...

    def sparse_delta(self, indices: Array, delta_next: Array, w: Array, out: Array) -> None:
        """Write the entries of delta_next·wᵀ at the indices into out (m, k).

        delta_next is (m, d), w (h, d).
        """
        ...

    def sparse_hidden_delta(
        self,
        delta: Array,
        a: Array,
        indices: Array,
        activation: Activation,
        bias_gradient: Array,
        accumulate: bool,
    ) -> None:
        """Multiply delta (m, k) by f′, from the activations a (m, k) before dropout.

        The sums over the rows of each unit go to bias_gradient (h,) as in `output_delta`.
        """
        ...

    def sparse_outer_rows(
        self,
        indices: Array,
        values: Array,
        delta_next: Array,
        rows: slice,
        out: Array,
        accumulate: bool,
    ) -> None:
        """Write (or add) some rows of codeᵀ·delta_next, the gradient of the weight after the code.

        delta_next is (m, d), out (rows, d); of an inactive unit it is 0. Sums are in the order of
        the rows of the code.
        """
        ...

    def sparse_outer_columns(
        self,
        inputs: Array,
        indices: Array,
        delta: Array,
        rows: slice,
        out: Array,
        accumulate: bool,
    ) -> None:
        """Write (or add) some rows of inputsᵀ·δ, the gradient of the weight before the code.

        inputs is (m, n), delta (m, k) what δ (m, h) has at the indices, out (rows, h). Sums are in
        the order of the rows of the code.
        """
        ...

    # Parameters

    def sum_lanes(self, lanes: Array, place: slice, out: Array) -> None:
        """Sum some columns of the lanes (l, p), in their order, into out, as long as the place."""
        ...

    def add_squares(self, x: Array, factor: float, total: Array) -> None:
        """Add factor·Σx² to total (1,), float64."""
        ...

    def adam(
        self,
        parameters: Array,
        gradient: Array,
        first: Array,
        second: Array,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Array | None = None,
        factor: float = 1.0,
    ) -> None:
        """Make one Adam step by gradient + λ·parameters, in place.

        The clock has counted this step. λ acts on the first `decayed` parameters, by
        default on all; factor·Σw² of these, before they move, is added to squares (1,), float64, if
        it is given.
        """
        ...

    def sgd(
        self,
        parameters: Array,
        gradient: Array,
        velocity: Array,
        momentum: float,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Array | None = None,
        factor: float = 1.0,
    ) -> None:
        """Make one step with velocity = momentum·velocity − rate·(gradient + λ·parameters).

        λ and the squares are as for `adam`.
        """
        ...

    def dot(self, x: Array, y: Array) -> float:
        """Return Σ x·y, accumulated in float64."""
        ...

    def axpby(self, alpha: float, x: Array, beta: float, y: Array) -> None:
        """Compute y = α·x + β·y; with β = 0 the old y is not read."""
        ...


class Ring(Protocol):
    """Rows of a matrix on the host that follow each other through a few slots on the device.

    Attributes
    ----------
    rows
        Buffer on the device, (slots · slot_rows, d).
    """

    rows: Array
    slot_rows: int

    def start(
        self, order: NDArray[Any] | range, slot: int = 0, source: NDArray[Any] | None = None
    ) -> None:
        """Begin with this slot of an order (of numbers in the matrix); forget what was there.

        A range, of rows that follow each other, is copied straight from where they are, if that is
        pinned memory. `source` is another matrix of the same width and type to take rows from now
        on; the caller leaves it as it is until what was queued is done.
        """
        ...

    def acquire(self, slot: int) -> None:
        """Make what is queued from now on wait until this slot of the order has come."""
        ...

    def release(self, slot: int) -> None:
        """Let later rows come once what is queued so far is done with this slot of the order."""
        ...


@runtime_checkable
class DeviceOps(Ops, Protocol):
    """Operations of a device that has memory of its own, to which rows have to be brought."""

    def device(self) -> str:
        """Return the device's name."""
        ...

    def room(self) -> int:
        """Return how many bytes can still be allocated."""
        ...

    def holds(self, x: NDArray[Any], reserve: int) -> bool:
        """Whether there is room for a host array and so many bytes of other things."""
        ...

    def ring(self, x: NDArray[Any], slot_rows: int, slots: int) -> Ring:
        """Prepare to bring rows of a host matrix in, ahead of the work on them."""
        ...

    def fetch(self, array: Array) -> Fetched:
        """Begin to copy an array to the host, once what is queued so far is done.

        What is queued from now on runs beside it and must not write there before it has come.
        """
        ...
