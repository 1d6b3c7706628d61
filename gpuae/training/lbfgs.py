"""Full-batch minimisation: limited-memory BFGS with a line search for the strong Wolfe conditions.

Source: J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed., 2006: algorithms 7.4 (two-loop
recursion), 7.5 (L-BFGS), 3.5 and 3.6 (line search) and equation 3.59 (cubic interpolation).
Vectors stay on the device; only dot products come to the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpuae.backends.ops import Array, Ops
from gpuae.training.state import State

MEMORY = 10
"""Pairs of steps and gradient changes that are remembered."""
ARMIJO, CURVATURE = 1e-4, 0.9
"""Constants c₁ and c₂ of the Wolfe conditions."""
SMALLEST_CURVATURE = 1e-300
"""Of a pair that is remembered: it is divided by."""
MAX_EVALUATIONS = 25
"""Of one line search."""


@dataclass(frozen=True)
class Point:
    """A point on the search line: step length, J and its derivative along the line."""

    step: float
    value: float
    slope: float


@dataclass(frozen=True)
class Pair:
    """A remembered step s and gradient change y, with 1/(s·y)."""

    step: Array
    change: Array
    inverse: float


class LBFGS:
    """Minimises J over `parameters`, in place.

    Parameters
    ----------
    evaluate
        Returns J at `parameters` and writes its gradient into `gradient`; both are flat vectors of
        the device.
    """

    def __init__(
        self, ops: Ops, parameters: Array, gradient: Array, evaluate: Callable[[], float]
    ) -> None:
        self._ops, self._evaluate = ops, evaluate
        self._parameters, self._gradient = parameters, gradient
        self._dtype = str(parameters.dtype)
        self._origin, self._old_gradient, self._direction = (self._vector() for _ in range(3))
        self._pairs: list[Pair] = []
        self._spare: tuple[Array, Array] | None = None
        self._value = math.nan
        self.converged = False
        """Whether no further decrease can be found in this precision."""

    @property
    def started(self) -> bool:
        """Whether J and its gradient are known where the parameters are."""
        return not math.isnan(self._value)

    def start(self) -> float:
        """Evaluate and return J where the parameters are."""
        self._value = self._evaluate()
        return self._value

    def state(self) -> State:
        """Return what the next iteration depends on, beside the parameters."""
        host, count = self._ops.to_host, len(self._pairs)
        size = len(self._parameters)
        steps, changes = (np.zeros((count, size), self._dtype) for _ in range(2))
        for index, pair in enumerate(self._pairs):
            steps[index], changes[index] = host(pair.step), host(pair.change)
        return {
            "value": np.array(self._value),
            "converged": np.array(int(self.converged)),
            "gradient": host(self._gradient),
            "steps": steps,
            "changes": changes,
            "inverses": np.array([pair.inverse for pair in self._pairs]),
        }

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._value, self.converged = float(state["value"]), bool(state["converged"])
        self._ops.assign(self._gradient, state["gradient"])
        self._pairs = [
            Pair(self._ops.asarray(step), self._ops.asarray(change), float(inverse))
            for step, change, inverse in zip(
                state["steps"], state["changes"], state["inverses"], strict=True
            )
        ][-MEMORY:]

    def iterate(self) -> float:
        """Make one iteration and return the new J; parameters end at the best point found.

        NaN where the gradient is not finite or too large to square in float64; parameters stay.
        """
        self._copy(self._parameters, self._origin)
        self._copy(self._gradient, self._old_gradient)
        slope = self._set_direction()
        if not -math.inf < slope < 0 and self._pairs:  # rounding has spoilt the memory
            self._pairs.clear()
            slope = self._set_direction()
        if not math.isfinite(slope):
            self.converged = True
            return math.nan
        if slope >= 0:
            self.converged = True
            return self._value
        found = self._search(Point(0.0, self._value, slope))
        if found.step == 0:
            self._give_up()
            return self._value
        self._remember(found.step)
        self._value = found.value
        return self._value

    def _give_up(self) -> None:
        """Go back to where the search started; forget the memory, or stop if there is none."""
        self.converged = not self._pairs
        self._pairs.clear()
        self._copy(self._origin, self._parameters)
        self._copy(self._old_gradient, self._gradient)

    # Direction

    def _set_direction(self) -> float:
        """Set direction = −H·gradient by the two-loop recursion; return its slope."""
        direction, ops = self._direction, self._ops
        ops.axpby(-1.0, self._gradient, 0.0, direction)
        weights = []
        for pair in reversed(self._pairs):
            weight = pair.inverse * ops.dot(pair.step, direction)
            ops.axpby(-weight, pair.change, 1.0, direction)
            weights.append(weight)
        if self._pairs:
            last = self._pairs[-1]
            scale = 1.0 / (last.inverse * ops.dot(last.change, last.change))
            ops.axpby(scale, direction, 0.0, direction)
        for pair, weight in zip(self._pairs, reversed(weights), strict=True):
            back = pair.inverse * ops.dot(pair.change, direction)
            ops.axpby(weight - back, pair.step, 1.0, direction)
        return ops.dot(direction, self._gradient)

    def _remember(self, step: float) -> None:
        """Keep the pair of the step just made in the oldest one's place, if it shows curvature."""
        moved, change = self._spare or (self._vector(), self._vector())
        self._ops.axpby(step, self._direction, 0.0, moved)
        self._copy(self._gradient, change)
        self._ops.axpby(-1.0, self._old_gradient, 1.0, change)
        curvature = self._ops.dot(moved, change)
        self._spare = (moved, change)
        if not SMALLEST_CURVATURE < curvature < math.inf:
            return
        self._pairs.append(Pair(moved, change, 1.0 / curvature))
        oldest = self._pairs.pop(0) if len(self._pairs) > MEMORY else None
        self._spare = (oldest.step, oldest.change) if oldest else None

    # Line search

    def _at(self, step: float) -> Point:
        """Evaluate J at origin + step·direction."""
        self._copy(self._origin, self._parameters)
        self._ops.axpby(step, self._direction, 1.0, self._parameters)
        value = self._evaluate()
        return Point(step, value, self._ops.dot(self._gradient, self._direction))

    def _search(self, start: Point) -> Point:
        """Return a point of strong Wolfe conditions, or the lowest found, or `start`.

        The parameters and their gradient are those of the returned point (unless it is `start`).
        """
        previous, point = start, self._at(self._first_step(start))
        for evaluation in range(1, MAX_EVALUATIONS):
            if not _decreases(point, start) or (evaluation > 1 and point.value >= previous.value):
                return self._zoom(previous, point, start, MAX_EVALUATIONS - evaluation)
            if abs(point.slope) <= -CURVATURE * start.slope:
                return point
            if point.slope >= 0:
                return self._zoom(point, previous, start, MAX_EVALUATIONS - evaluation)
            previous, point = point, self._at(2 * point.step)
        if _decreases(point, start) and point.value < previous.value:
            return point
        return self._at(previous.step) if previous.step else start

    def _first_step(self, start: Point) -> float:
        """Return 1, or without a memory a step of length 1 at most."""
        return 1.0 if self._pairs else min(1.0, 1.0 / math.sqrt(-start.slope))

    def _zoom(self, low: Point, high: Point, start: Point, evaluations: int) -> Point:
        """Narrow down a bracket; `low` is its end with the lower value."""
        for _ in range(evaluations):
            point = self._at(_between(low, high))
            if not _decreases(point, start) or point.value >= low.value:
                high = point
            elif abs(point.slope) <= -CURVATURE * start.slope:
                return point
            else:
                high = low if point.slope * (high.step - low.step) >= 0 else high
                low = point
            if abs(high.step - low.step) <= 1e-9 * abs(high.step):
                break
        return self._at(low.step) if low.step else start

    def _copy(self, source: Array, target: Array) -> None:
        self._ops.axpby(1.0, source, 0.0, target)

    def _vector(self) -> Array:
        return self._ops.empty((len(self._parameters),), self._dtype)


def _decreases(point: Point, start: Point) -> bool:
    """Say whether J falls enough for the step's length; a value that is not finite does not."""
    return point.value <= start.value + ARMIJO * point.step * start.slope


def _between(a: Point, b: Point) -> float:
    """Return the minimum of the cubic through two points, kept off the ends of the bracket."""
    width = b.step - a.step
    middle = a.step + width / 2
    if not (math.isfinite(b.value) and math.isfinite(b.slope)):
        return a.step + width / 10
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return middle
    d2 = math.copysign(math.sqrt(square), width)
    denominator = b.slope - a.slope + 2 * d2
    step = b.step - width * (b.slope + d2 - d1) / denominator if denominator else middle
    inside = abs(step - middle) <= 0.4 * abs(width)
    return step if inside else middle
