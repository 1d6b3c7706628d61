"""Kernels of a code of which k of h units are active in a row: `indices` and `values`, (m, k).

What a row reads of a weight are k rows out of h, in no order that a cache could foresee. Products
go over a matrix in strips of `STRIP_BYTES`, so that the strip of the weight stays in a core's cache
from row to row; sums take four rows of a matrix at once, so that they are read and written a
quarter as often as each row by itself would do.

A gradient of the weight is a sum over the rows in which a unit is active. The entries are brought
into the order of their units once (a counting sort, rows ascending within a unit); then every unit
is one sum over contiguous memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuae.backends.numba_compile import elementwise, kernel
from gpuae.backends.numba_kernels import made_of
from gpuae.functions.activations import ACTIVATIONS

STRIP_BYTES = 512
"""What is taken of a row of a weight at once: 4,096 such rows fill a core's second cache."""
TURNED = 32
"""Units whose gradients by the inputs are summed before they are written, transposed."""
GROUP = 16
"""Columns of a row that are represented by their largest when the k largest are looked for."""
DIGIT_BITS = 8
DIGITS = 1 << DIGIT_BITS

# The k largest of a row


@elementwise
def write_orders(words: Any, lowest: Any, infinity: Any, orders: Any) -> None:
    """Write integers in the order of a row's numbers: both zeros alike, the `lowest` for NaN.

    `words` are the bits of the row as signed integers, `infinity` those of infinity; what `orders`
    is longer than the row counts as NaN.
    """
    magnitude = ~lowest
    for j in range(words.size):
        size = type(lowest)(words[j] & magnitude)
        order = size if words[j] >= 0 else type(lowest)(-size)
        orders[j] = order if size <= infinity else lowest
    for j in range(words.size, orders.size):
        orders[j] = lowest


@elementwise
def write_group_maxima(orders: Any, lowest: Any, maxima: Any) -> None:
    """Write the largest order of each `GROUP` columns."""
    for group in range(maxima.size):
        most = lowest
        for j in range(GROUP):
            most = max(most, orders[GROUP * group + j])
        maxima[group] = most


@elementwise
def digit_of(order: Any, lowest: Any, shift: Any) -> Any:
    """Return a digit of an order, counted from the lowest."""
    return ((order ^ lowest) >> shift) & (DIGITS - 1)


@elementwise
def kth_largest(orders: Any, count: int, k: int, lowest: Any, histogram: Any) -> Any:
    """Return the k-th largest of the first `count` orders, of which few keep their places.

    From the highest digit on only those are kept that share it with the k-th largest.
    """
    shift = 8 * orders.itemsize
    while shift > 0 and count > 1:
        shift -= DIGIT_BITS
        histogram[:] = 0
        for i in range(count):
            histogram[digit_of(orders[i], lowest, shift)] += 1
        digit = DIGITS - 1
        while histogram[digit] < k:
            k -= histogram[digit]
            digit -= 1
        kept = 0
        for i in range(count):
            order = orders[i]
            orders[kept] = order
            kept += digit_of(order, lowest, shift) == digit
        count = kept
    return orders[0]


@elementwise
def gather_candidates(orders: Any, maxima: Any, bound: Any, candidates: Any, columns: Any) -> int:
    """Write orders of at least `bound` with their columns, ascending; return how many they are."""
    count = 0
    for group in range(maxima.size):
        if maxima[group] >= bound:
            for j in range(GROUP * group, GROUP * (group + 1)):
                candidates[count] = orders[j]
                columns[count] = j
                count += orders[j] >= bound
    return count


@elementwise
def choose(candidates: Any, columns: Any, last: Any, count: int, chosen: Any) -> None:
    """Write the columns of the largest candidates, down to `last` and of equals the first ones."""
    ties = chosen.size
    for i in range(count):
        ties -= candidates[i] > last
    i = place = 0
    while place < chosen.size:
        chosen[place] = columns[i]
        tie = candidates[i] == last
        taken = (candidates[i] > last) | (tie & (ties > 0))
        ties -= tie
        place += taken
        i += 1


@elementwise
def choose_largest(words: Any, lowest: Any, infinity: Any, scratch: Any, chosen: Any) -> None:
    """Write the columns of a row's largest numbers, as many as `chosen` is long, ascending.

    The k-th largest of the groups' maxima is a bound that k columns reach. Those that do, not many
    more, are sorted out exactly.
    """
    orders, maxima, candidates, columns, spare, histogram = scratch
    k = chosen.size
    write_orders(words, lowest, infinity, orders)
    write_group_maxima(orders, lowest, maxima)
    bound = lowest
    if maxima.size >= k:
        spare[: maxima.size] = maxima
        bound = kth_largest(spare, maxima.size, k, lowest, histogram)
    count = gather_candidates(orders, maxima, bound, candidates, columns)
    spare[:count] = candidates[:count]
    last = kth_largest(spare, count, k, lowest, histogram)
    choose(candidates, columns, last, count, chosen)


@elementwise
def new_scratch(words: Any) -> Any:
    """Allocate what `choose_largest` works in."""
    groups = (words.shape[1] + GROUP - 1) // GROUP
    size = GROUP * groups
    return (
        np.empty(size, words.dtype),
        np.empty(groups, words.dtype),
        np.empty(size, words.dtype),
        np.empty(size, np.int32),
        np.empty(size, words.dtype),
        np.empty(DIGITS, np.int32),
    )


@kernel
def topk(a: Any, words: Any, lowest: Any, infinity: Any, indices: Any, values: Any) -> None:
    """Write the k largest of each row with their columns; `words` are the bits of a."""
    scratch = new_scratch(words)
    for i in range(a.shape[0]):
        chosen = indices[i]
        choose_largest(words[i], lowest, infinity, scratch, chosen)
        for p in range(chosen.size):
            values[i, p] = a[i, chosen[p]]


@kernel
def topk_mask(words: Any, lowest: Any, infinity: Any, k: int, mask: Any) -> None:
    """Write 1 at the k largest of each row, else 0; `words` are the bits of the matrix."""
    scratch = new_scratch(words)
    chosen = np.empty(k, np.int32)
    for i in range(mask.shape[0]):
        choose_largest(words[i], lowest, infinity, scratch, chosen)
        mask[i, :] = 0
        for p in range(k):
            mask[i, chosen[p]] = 1


# Products with the active units


@elementwise
def add_rows(out: Any, rows: Any, factors: Any, matrix: Any, start: int) -> None:
    """Add factors[p]·matrix[rows[p]] for each p, from column `start` on, to out."""
    stop = start + out.size
    p = 0
    while p + 4 <= rows.size:
        first, second = matrix[rows[p], start:stop], matrix[rows[p + 1], start:stop]
        third, fourth = matrix[rows[p + 2], start:stop], matrix[rows[p + 3], start:stop]
        one, two, three, four = factors[p], factors[p + 1], factors[p + 2], factors[p + 3]
        for j in range(out.size):
            out[j] += one * first[j] + two * second[j] + three * third[j] + four * fourth[j]
        p += 4
    while p < rows.size:
        only, factor = matrix[rows[p], start:stop], factors[p]
        for j in range(out.size):
            out[j] += factor * only[j]
        p += 1


@kernel
def product(indices: Any, values: Any, w: Any, out: Any) -> None:
    """Write code·w."""
    width = STRIP_BYTES // w.itemsize
    for start in range(0, out.shape[1], width):
        for i in range(out.shape[0]):
            own = out[i, start : start + width]
            own[:] = 0
            add_rows(own, indices[i], values[i], w, start)


@kernel
def delta(indices: Any, delta_next: Any, w: Any, out: Any) -> None:
    """Write the entries of delta_next·wᵀ at the indices, four products at once."""
    width, zero = STRIP_BYTES // w.itemsize, w.dtype.type(0)
    out[:] = 0
    for start in range(0, w.shape[1], width):
        stop = start + width
        for i in range(out.shape[0]):
            own, units, sums = delta_next[i, start:stop], indices[i], out[i]
            p = 0
            while p + 4 <= units.size:
                first, second = w[units[p], start:stop], w[units[p + 1], start:stop]
                third, fourth = w[units[p + 2], start:stop], w[units[p + 3], start:stop]
                one, two, three, four = zero, zero, zero, zero
                for j in range(own.size):
                    one += own[j] * first[j]
                    two += own[j] * second[j]
                    three += own[j] * third[j]
                    four += own[j] * fourth[j]
                sums[p] += one
                sums[p + 1] += two
                sums[p + 2] += three
                sums[p + 3] += four
                p += 4
            while p < units.size:
                only, one = w[units[p], start:stop], zero
                for j in range(own.size):
                    one += own[j] * only[j]
                sums[p] += one
                p += 1


def _make_hidden_delta(derivative: Any) -> Any:
    @kernel
    def hidden_delta(delta: Any, a: Any, indices: Any, sums: Any) -> None:
        for i in range(delta.shape[0]):
            for p in range(delta.shape[1]):
                value = delta[i, p] * derivative(a[i, p], a[i, p])
                delta[i, p] = value
                sums[indices[i, p]] += value

    return hidden_delta


def hidden_delta(activation: str) -> Any:
    """Return the loop of an activation."""
    return made_of(_make_hidden_delta, ACTIVATIONS[activation].compiled_derivative)


# Gradients of weights


@elementwise
def group_by_unit(indices: Any, values: Any, first: int, count: int) -> Any:
    """Bring the entries of `count` units into their order, and the rows of a unit into theirs.

    Returns starts (count + 1), rows and factors: those of unit `first` + u are at starts[u] to
    starts[u + 1].
    """
    starts = np.zeros(count + 2, np.int32)
    rows, factors = np.empty(indices.size, np.int32), np.empty(indices.size, values.dtype)
    for i in range(indices.shape[0]):
        for p in range(indices.shape[1]):
            unit = indices[i, p] - first
            if 0 <= unit < count:
                starts[unit + 2] += 1
    for unit in range(count):
        starts[unit + 2] += starts[unit + 1]
    for i in range(indices.shape[0]):
        for p in range(indices.shape[1]):
            unit = indices[i, p] - first
            if 0 <= unit < count:
                place = starts[unit + 1]
                rows[place], factors[place] = i, values[i, p]
                starts[unit + 1] = place + 1
    return starts, rows, factors


@kernel
def outer_rows(
    indices: Any, values: Any, delta_next: Any, first: int, out: Any, accumulate: bool
) -> None:
    """Write rows of codeᵀ·delta_next, from unit `first` on, or add them."""
    starts, rows, factors = group_by_unit(indices, values, first, out.shape[0])
    for unit in range(out.shape[0]):
        own, place = out[unit], slice(starts[unit], starts[unit + 1])
        if not accumulate:
            own[:] = 0
        add_rows(own, rows[place], factors[place], delta_next, 0)


@kernel
def outer_columns(
    inputs: Any, indices: Any, delta: Any, first: int, out: Any, accumulate: bool
) -> None:
    """Write rows of inputsᵀ·delta, from input `first` on, or add them.

    A unit's column is not contiguous: it is summed in a row, and several of these are written
    together.
    """
    units = out.shape[1]
    starts, rows, factors = group_by_unit(indices, delta, 0, units)
    turned = np.empty((TURNED, out.shape[0]), out.dtype)
    for start in range(0, units, TURNED):
        count = min(TURNED, units - start)
        for t in range(count):
            own, place = turned[t], slice(starts[start + t], starts[start + t + 1])
            own[:] = 0
            add_rows(own, rows[place], factors[place], inputs, first)
        write_turned(turned, start, count, out, accumulate)


@elementwise
def write_turned(turned: Any, start: int, count: int, out: Any, accumulate: bool) -> None:
    """Write rows of `turned` as columns of out, from `start` on, or add them."""
    for i in range(out.shape[0]):
        own = out[i, start : start + count]
        if accumulate:
            for t in range(count):
                own[t] += turned[t, i]
        elif count == TURNED:  # a number that the compiler knows
            for t in range(TURNED):
                own[t] = turned[t, i]
        else:
            for t in range(count):
                own[t] = turned[t, i]
