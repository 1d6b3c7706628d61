"""Codes of few active units: the fast backends choose, multiply and sum as the definition does."""

import itertools

import numpy as np
import pytest

each_type = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_size = pytest.mark.parametrize(
    ("m", "h", "d", "k"),
    [
        *((1, 1, 1, 1), (7, 5, 3, 5), (17, 33, 20, 3), (33, 70, 170, 9), (40, 2085, 9, 6)),
        *((9, 40, 140, 4), (0, 5, 4, 2)),
    ],
    ids=str,
)
"""Rows, units, columns and active units: single, all active, odd, beyond a strip, beyond a tile,
columns in fours of which a part begins amid four, none."""
BORDER = 2048
"""The first unit of a second tile of marks."""


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def a_code(m, h, k, dtype, seed=0):
    """Return indices and values (m, k); the first unit is active in every row.

    Of many units those on both sides of the border between tiles are so too.
    """
    random = np.random.default_rng(seed)
    always = [0, BORDER - 1, BORDER] if h > BORDER else [0]
    others = np.setdiff1d(np.arange(h), always)
    indices = np.empty((m, k), np.int32)
    for own in indices:
        own[:] = np.sort([*always, *random.permutation(others)[: k - len(always)]])
    return indices, normal((m, k), dtype, seed)


def awkward(m, h, dtype):
    """Return rows with many equal numbers, both zeros, NaN, infinities and denormals."""
    random = np.random.default_rng(h)
    tiny = np.finfo(dtype).smallest_subnormal
    special = np.array([0, -0.0, np.nan, np.inf, -np.inf, tiny, -tiny, 3 * tiny, 1, -1], dtype)
    a = normal((m, h), dtype)
    own = random.random((m, h)) < random.random((m, 1))  # few in some rows, nearly all in others
    a[own] = random.choice(special, own.sum())
    return a


@each_type
@pytest.mark.parametrize(
    ("h", "k"), [(1, 1), (5, 5), (37, 4), (700, 1), (700, 20), (700, 45), (700, 699), (2000, 32)]
)
def test_topk_chooses_exactly_what_the_definition_does(fast_ops, dtype, h, k):
    from gpuae.backends.numpy_ops import NumpyOps

    a = awkward(11, h, dtype)
    order = np.lexsort((-np.where(np.isnan(a), 0, a), np.isnan(a)))
    expected = np.sort(order[:, :k], axis=1)
    chosen = np.zeros_like(a)
    np.put_along_axis(chosen, expected, 1, axis=1)
    for ops in (NumpyOps(), *fast_ops):
        indices, values = np.full((11, k), -1, np.int32), np.zeros((11, k), dtype)
        mask = np.full_like(a, 7)
        ops.topk(a, k, indices, values)
        ops.topk_mask(a, k, mask)
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(a, expected, axis=1))
        np.testing.assert_array_equal(mask, chosen)


def test_the_definition_gives_what_dense_products_do():
    from gpuae.backends.numpy_ops import NumpyOps

    m, h, d, k = 6, 20, 5, 3
    ops, (indices, values) = NumpyOps(), a_code(m, h, k, "float64")
    code, at, w, x = (
        np.zeros((m, h)),
        np.zeros((m, h)),
        normal((h, d), float),
        normal((m, d), float),
    )
    np.put_along_axis(code, indices, values, axis=1)
    np.put_along_axis(at, indices, 1, axis=1)
    out, delta, sums = np.empty((m, d)), np.empty((m, k)), np.ones(h)
    after, before = np.empty((7, d)), np.empty((2, h))
    ops.sparse_product(indices, values, w, out)
    ops.sparse_delta(indices, x, w, delta)
    np.testing.assert_allclose(out, code @ w)
    np.testing.assert_allclose(delta, np.take_along_axis(x @ w.T, indices, axis=1))
    ops.sparse_hidden_delta(delta, values, indices, "tanh", sums, True)
    dense = x @ w.T * at * (1 - code**2)
    np.testing.assert_allclose(delta, np.take_along_axis(dense, indices, axis=1))
    np.testing.assert_allclose(sums, 1 + dense.sum(axis=0))
    ops.sparse_outer_rows(indices, values, x, slice(0, 7), after, False)
    ops.sparse_outer_columns(x, indices, delta, slice(2, 4), before, False)
    np.testing.assert_allclose(after, (code.T @ x)[:7], atol=1e-12)
    np.testing.assert_allclose(before, (x.T @ dense)[2:4], atol=1e-12)


@each_type
@each_size
def test_product(assert_agree, m, h, d, k, dtype):
    indices, values = a_code(m, h, k, dtype)
    assert_agree(
        lambda ops, indices, values, w, out: ops.sparse_product(indices, values, w, out),
        indices=indices,
        values=values,
        w=normal((h, d), dtype, 1),
        out=np.full((m, d), np.nan, dtype),
    )


@each_type
@each_size
def test_delta(assert_agree, m, h, d, k, dtype):
    assert_agree(
        lambda ops, indices, delta_next, w, out: ops.sparse_delta(indices, delta_next, w, out),
        indices=a_code(m, h, k, dtype)[0],
        delta_next=normal((m, d), dtype, 1),
        w=normal((h, d), dtype, 2),
        out=np.full((m, k), np.nan, dtype),
    )


@each_type
@each_size
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("accumulate", [False, True])
def test_hidden_delta(assert_agree, m, h, d, k, activation, accumulate, dtype):
    assert_agree(
        lambda ops, delta, a, indices, bias_gradient: ops.sparse_hidden_delta(
            delta, a, indices, activation, bias_gradient, accumulate
        ),
        delta=normal((m, k), dtype, 1),
        a=a_code(m, h, k, dtype)[1],
        indices=a_code(m, h, k, dtype)[0],
        bias_gradient=normal(h, dtype, 2),
    )


def some(count):
    """Return most of a range, without its start and its end where it is long enough."""
    return slice(count // 8, max(count // 8 + 1, count - count // 16))


@each_type
@each_size
@pytest.mark.parametrize("accumulate", [False, True])
def test_weight_gradients(assert_agree, m, h, d, k, accumulate, dtype):
    def call(ops, indices, values, matrix, after, before):
        ops.sparse_outer_rows(indices, values, matrix, some(h), after, accumulate)
        ops.sparse_outer_columns(matrix, indices, values, some(d), before, accumulate)

    indices, values = a_code(m, h, k, dtype)
    assert_agree(
        call,
        indices=indices,
        values=values,
        matrix=normal((m, d), dtype, 1),
        after=normal((some(h).stop - some(h).start, d), dtype, 2),
        before=normal((some(d).stop - some(d).start, h), dtype, 3),
    )


@each_type
def test_gradients_by_parts_have_the_bits_of_the_whole(fast_ops, dtype):
    m, h, d, k = 40, 70, 48, 9
    indices, values = a_code(m, h, k, dtype)
    matrix = normal((m, d), dtype, 1)
    for ops in fast_ops:
        after, before = np.zeros((2, h, d), dtype), np.zeros((2, d, h), dtype)
        for way, cuts in enumerate([(0, 1), (0, 0.25, 0.5, 1)]):
            for low, high in itertools.pairwise(cuts):
                units, inputs = (slice(int(low * own), int(high * own)) for own in (h, d))
                ops.sparse_outer_rows(indices, values, matrix, units, after[way, units], False)
                ops.sparse_outer_columns(
                    matrix, indices, values, inputs, before[way, inputs], False
                )
        np.testing.assert_array_equal(after[0], after[1])
        np.testing.assert_array_equal(before[0], before[1])


def test_what_inactive_units_have_is_never_read(fast_ops):
    from gpuae.backends.numpy_ops import NumpyOps

    indices, values = a_code(6, 20, 3, "float32")
    w = np.full((20, 5), np.nan, np.float32)
    w[np.unique(indices)] = 1
    for ops in (NumpyOps(), *fast_ops):
        out, delta = np.zeros((6, 5), np.float32), np.zeros((6, 3), np.float32)
        ops.sparse_product(indices, values, w, out)
        ops.sparse_delta(indices, out, w, delta)
        np.testing.assert_allclose(out, values.sum(axis=1, keepdims=True).repeat(5, 1), rtol=1e-5)
        assert np.isfinite(delta).all()
