"""What each operation does, in figures worked out by hand, on every backend of the CPU."""

import itertools
import math
import warnings

import numpy as np
import pytest

from gpuae.backends.ops import EPOCH, ROW_BASE, START, STEP, Corruption, Scaling
from gpuae.functions import activations
from gpuae.functions.losses import LOSSES

ACTIVATIONS = list(activations.ACTIVATIONS)
OUTPUTS = [
    pair for pair in itertools.product(ACTIVATIONS, LOSSES) if LOSSES[pair[1]].takes(pair[0])
]
"""Output activations with the losses that they may have."""


def array(*values, dtype="float64"):
    return np.array(values, dtype)


# Memory and clock


def test_zeros_and_fill(ops):
    buffer = ops.zeros((2, 3), "float32")
    assert buffer.dtype == np.float32
    assert not buffer.any()
    ops.fill(buffer, 2.5)
    assert (buffer == 2.5).all()
    assert ops.empty((4,), "float64").shape == (4,)


def test_a_host_copy_is_not_the_buffer(ops):
    buffer = ops.asarray(array(1.0, 2.0))
    copy = ops.to_host(buffer)
    ops.assign(buffer, array(3.0, 4.0))
    assert copy.tolist() == [1, 2]
    assert ops.to_host(buffer).tolist() == [3, 4]


def test_asarray_makes_matrices_contiguous(ops):
    assert ops.asarray(np.arange(6.0).reshape(2, 3).T).flags.c_contiguous


def test_the_clock_starts_an_epoch_and_advances_a_step(ops, rows_at):
    clock = rows_at(range(5), start=3, step=7).clock
    ops.start_epoch(clock, epoch=2, rate=0.5, row_base=100)
    assert clock.counters[[EPOCH, START, STEP, ROW_BASE]].tolist() == [2, 0, 7, 100]
    assert clock.rate[0] == 0.5
    ops.advance(clock, 4)
    ops.advance(clock, 2)
    assert clock.counters[[EPOCH, START, STEP, ROW_BASE]].tolist() == [2, 6, 9, 100]


# Products


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), [(2, 3, 4), (1, 1, 1), (5, 1, 3), (0, 2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gemm_multiplies_and_adds(ops, transpose_a, transpose_b, accumulate, m, n, k, dtype):
    random = np.random.default_rng(m + 10 * n + 100 * k)
    a = random.integers(-4, 5, (k, m) if transpose_a else (m, k)).astype(dtype)
    b = random.integers(-4, 5, (n, k) if transpose_b else (k, n)).astype(dtype)
    before = random.integers(-4, 5, (m, n)).astype(dtype)
    if not accumulate:
        before.fill(np.nan)  # what was in the buffer must not matter
    out = before.copy()
    ops.gemm(a, b, out, transpose_a, transpose_b, accumulate)
    expected = np.zeros((m, n))
    for i, j, inner in itertools.product(range(m), range(n), range(k)):
        left = a[inner, i] if transpose_a else a[i, inner]
        right = b[j, inner] if transpose_b else b[inner, j]
        expected[i, j] += left * right
    np.testing.assert_array_equal(out, before + expected if accumulate else expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_over_no_rows_is_zero(ops, dtype):
    out = np.full((3, 4), np.nan, dtype)
    ops.gemm(np.empty((0, 3), dtype), np.empty((0, 4), dtype), out, transpose_a=True)
    assert out.tolist() == np.zeros((3, 4)).tolist()


# Rows


@pytest.mark.parametrize(
    "source", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gather_scales_whole_numbers_to_the_unit_interval(ops, rows_at, source, dtype):
    highest = np.iinfo(source).max
    x = np.array([[0, highest], [highest, 1], [highest // 2, 0]], source)
    number = np.result_type(source, dtype)
    scaling = Scaling(np.zeros(2, number), np.full(2, 1 / highest, number), -np.inf, np.inf)
    out = np.full((2, 2), np.nan, dtype)
    ops.gather(rows_at([2, 1]), x, scaling, out)
    tolerance = 1e-6 if number == np.float32 else 1e-12
    if dtype == "float32":
        tolerance = 1e-7 if number == np.float64 else tolerance
    np.testing.assert_allclose(out, [[highest // 2 / highest, 0], [1, 1 / highest]], tolerance)


@pytest.mark.parametrize("source", ["float32", "float64", "int32"])
def test_gather_centres_in_the_precision_of_the_scaling(ops, rows_at, source):
    """A large offset with small differences survives, as it would not in float32."""
    x = np.array([[16_777_217, 4], [16_777_219, 8]], source)
    center = np.array([16_777_217, 0], np.result_type(source, "float32"))
    scaling = Scaling(center, np.array([0.5, 0.25], center.dtype), -np.inf, np.inf)
    out = np.empty((2, 2), np.float32)
    ops.gather(rows_at([0, 1]), x, scaling, out)
    assert out.tolist() == [[0, 1], [2 if source == "float32" else 1, 2]]


def test_gather_takes_the_rows_from_where_the_order_stands(ops, rows_at):
    x = np.arange(8.0)[:, None]
    scaling = Scaling(np.zeros(1), np.ones(1), -np.inf, np.inf)
    out = np.empty((2, 1))
    ops.gather(rows_at([7, 5, 3, 1, 0, 2], start=2, first=1, count=2, row_base=99), x, scaling, out)
    assert out.ravel().tolist() == [1, 0]


def test_gather_clips(ops, rows_at):
    x = array([-5.0], [0.5], [7.0], [np.nan], [np.inf])
    out = np.empty((5, 1))
    ops.gather(rows_at(range(5)), x, Scaling(np.zeros(1), np.ones(1), 0.1, 0.9), out)
    np.testing.assert_array_equal(out.ravel(), [0.1, 0.5, 0.9, np.nan, 0.9])


def test_gather_reads_rows_that_may_not_be_written(ops, rows_at, tmp_path):
    stored = np.memmap(tmp_path / "rows", np.uint8, "w+", shape=(3, 2))
    stored[:] = [[1, 2], [3, 4], [5, 6]]
    stored.flush()
    mapped = np.memmap(tmp_path / "rows", np.uint8, "r", shape=(3, 2))
    out = np.empty((1, 2))
    ops.gather(rows_at([2]), mapped, Scaling(np.zeros(2), np.ones(2), -np.inf, np.inf), out)
    assert out.tolist() == [[5, 6]]


def test_gather_leaves_the_source_writable(ops, rows_at):
    x = np.ones((2, 2))
    ops.gather(rows_at([0]), x, Scaling(np.zeros(2), np.ones(2), -np.inf, np.inf), np.empty((1, 2)))
    assert x.flags.writeable


def test_unscale_inverts_the_scaling_without_its_clipping(ops):
    scaling = Scaling(array(10.0, -2.0), array(0.5, 4.0), 0.0, 1.0)
    out = np.empty((2, 2))
    ops.unscale(array([0.0, 2.0], [3.0, -4.0]), scaling, out)
    assert out.tolist() == [[10, -1.5], [16, -3]]


def test_counts_are_brought_to_one_total_and_rows_of_zeros_stay(ops):
    counts = array([1.0, 3.0], [0.0, 0.0], [0.5, 0.0])
    ops.normalize_rows(counts, 8.0)
    assert counts.tolist() == [[2, 6], [0, 0], [8, 0]]


def test_logarithms_of_counts_are_exact_beside_1_and_may_replace_them(ops):
    counts = array([1e-12, 1.0], [0.0, 1e30])
    ops.log1p(counts, array(0.0, 2.0), counts)
    expected = [[1e-12, np.log(2) - 2], [0, 30 * np.log(10) - 2]]
    np.testing.assert_allclose(counts, expected, rtol=1e-6)


# Noise

ROWS, COLUMNS = 600, 331


def noisy_rows(ops, rows_at, kind, level, x=None, dtype="float32", **place):
    x = np.full((ROWS, COLUMNS), 0.5, dtype) if x is None else x
    low, high = (np.full(x.shape[1], value, x.dtype) for value in (-3, 4))
    noise = Corruption(kind, level, place.pop("seed", 5), low, high)
    out = np.full_like(x, np.nan)
    ops.corrupt(rows_at(range(len(x)), **place), x, noise, out)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_has_mean_zero_and_the_levels_deviation(ops, rows_at, dtype):
    noise = (noisy_rows(ops, rows_at, "gaussian", 0.3, dtype=dtype) - 0.5).astype(float) / 0.3
    count = noise.size
    assert abs(noise.mean()) < 4 / np.sqrt(count)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / count)
    assert abs((noise**3).mean()) < 4 * np.sqrt(15 / count)
    assert abs((noise**4).mean() - 3) < 4 * np.sqrt(96 / count)
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 4 / np.sqrt(count)


def test_clipped_gaussian_noise_is_gaussian_noise_within_the_ends(ops, rows_at):
    x = np.linspace(-4, 5, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    x[3, 4] = np.nan
    noisy = noisy_rows(ops, rows_at, "gaussian", 1.5, x)
    clipped = noisy_rows(ops, rows_at, "clipped_gaussian", 1.5, x)
    np.testing.assert_array_equal(clipped, np.clip(noisy, -3, 4))
    assert 0.05 < (clipped == -3).mean() < 0.5


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_masking_sets_this_share_of_the_values_to_zero(ops, rows_at, level):
    out = noisy_rows(ops, rows_at, "masking", level)
    spread = np.sqrt(level * (1 - level) / out.size)
    assert set(np.unique(out)) <= {0, 0.5}
    assert abs((out == 0).mean() - level) <= 4 * spread


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_salt_pepper_sets_half_of_the_share_to_each_end(ops, rows_at, level):
    out = noisy_rows(ops, rows_at, "salt_pepper", level)
    spread = np.sqrt(level / 2 / out.size)
    assert set(np.unique(out)) <= {-3, 0.5, 4}
    assert abs((out == -3).mean() - level / 2) <= 4 * spread
    assert abs((out == 4).mean() - level / 2) <= 4 * spread


@pytest.mark.parametrize("kind", ["gaussian", "clipped_gaussian", "masking", "salt_pepper"])
def test_noise_belongs_to_the_row_in_the_data_and_the_epoch(ops, rows_at, kind):
    x = np.full((6, 9), 0.5, np.float32)
    whole = noisy_rows(ops, rows_at, kind, 0.4, x, epoch=3, row_base=10)
    later = noisy_rows(ops, rows_at, kind, 0.4, x, epoch=4, row_base=10)
    shifted = noisy_rows(ops, rows_at, kind, 0.4, x, epoch=3, row_base=12)
    assert not np.array_equal(whole, later)
    np.testing.assert_array_equal(whole[2:], shifted[:-2])


def test_masking_takes_the_words_of_the_counter(ops, rows_at):
    from gpuae.backends.philox import philox

    seed, row, epoch = 7 + 5 * 2**32, 41, 6
    x = np.ones((1, 6), np.float32)
    out = noisy_rows(ops, rows_at, "masking", 0.3, x, seed=seed, epoch=epoch, row_base=row)
    counters = np.array([[group, row, epoch, 1] for group in range(2)], np.uint32)
    words = philox(counters, (7, 5)).ravel()[:6]
    np.testing.assert_array_equal(out[0], words >= int(0.3 * 2**32))


@pytest.mark.parametrize("kind", ["gaussian", "clipped_gaussian", "masking", "salt_pepper"])
@pytest.mark.parametrize("source", ["uint8", "float32", "float64"])
def test_the_fused_gather_is_gather_then_corrupt(ops, rows_at, kind, source):
    random = np.random.default_rng(1)
    x = (200 * random.random((9, 7))).astype(source)
    number = np.result_type(source, np.float32)
    scaling = Scaling(np.full(7, 3, number), np.full(7, 1 / 256, number), 0.1, 0.9)
    noise = Corruption(kind, 0.4, 8, np.zeros(7, np.float32), np.ones(7, np.float32))
    rows = rows_at([8, 1, 4, 4, 0], start=1, epoch=2, row_base=30)
    clean, noisy, clean_apart, noisy_apart = np.full((4, 4, 7), np.nan, np.float32)
    ops.gather_corrupt(rows, x, scaling, noise, clean, noisy)
    ops.gather(rows, x, scaling, clean_apart)
    ops.corrupt(rows, clean_apart, noise, noisy_apart)
    np.testing.assert_array_equal(clean, clean_apart)
    np.testing.assert_array_equal(noisy, noisy_apart)


# Dropout and topk


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_draws_zero_at_its_rate_and_else_what_keeps_the_mean(ops, rows_at, rate):
    mask = np.full((ROWS, COLUMNS), np.nan)
    ops.dropout_mask(rows_at(range(ROWS)), 2, rate, 11, mask, combine=False)
    assert set(np.unique(mask)) == {0, 1 / (1 - rate)}
    assert abs((mask == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / mask.size)


def test_dropout_can_be_combined_with_a_mask(ops, rows_at):
    rows = rows_at(range(8), epoch=1)
    drawn, combined = np.empty((8, 5)), np.tile([1.0, 0, 1, 0, 1], (8, 1))
    before = combined.copy()
    ops.dropout_mask(rows, 1, 0.5, 3, drawn, combine=False)
    ops.dropout_mask(rows, 1, 0.5, 3, combined, combine=True)
    np.testing.assert_array_equal(combined, before * drawn)


def test_dropout_takes_the_words_of_the_counter(ops, rows_at):
    from gpuae.backends.philox import philox

    mask = np.empty((1, 6))
    ops.dropout_mask(rows_at([0], epoch=9, row_base=77), 3, 0.25, 2**33 + 1, mask, combine=False)
    counters = np.array([[group, 77, 9, 2 + 256 * 3] for group in range(2)], np.uint32)
    words = philox(counters, (1, 2)).ravel()[:6]
    np.testing.assert_array_equal(mask[0] > 0, words >= 2**30)


def test_layers_and_epochs_have_masks_of_their_own(ops, rows_at):
    masks = []
    for layer, epoch in ((1, 0), (2, 0), (1, 1)):
        mask = np.empty((20, 20))
        ops.dropout_mask(rows_at(range(20), epoch=epoch), layer, 0.5, 0, mask, combine=False)
        masks.append(mask)
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(masks, 2))


def test_topk_keeps_the_largest_by_value(ops):
    a = array([3, -9, 5, 1], [-4, -1, -3, -2])
    mask = np.full((2, 4), np.nan)
    ops.topk_mask(a, 2, mask)
    assert mask.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("row", "k", "kept"),
    [
        ([1, 1, 1, 1], 2, [1, 1, 0, 0]),
        ([0, 2, 1, 2, 2], 2, [0, 1, 0, 1, 0]),
        ([1, 2, 1, 3, 1], 3, [1, 1, 0, 1, 0]),
        ([0.0, -0.0, 0.0], 1, [1, 0, 0]),
        ([5, 4, 3], 3, [1, 1, 1]),
        ([7], 1, [1]),
        ([np.inf, -np.inf, np.inf], 1, [1, 0, 0]),
    ],
)
def test_topk_ties_go_to_the_lower_column(ops, row, k, kept):
    mask = np.full((1, len(row)), np.nan)
    ops.topk_mask(array(row), k, mask)
    assert mask[0].tolist() == kept


# Forward


VALUES = [-2.0, -0.5, 0.0, 0.5, 2.0]
BY_HAND = {
    "sigmoid": [1 / (1 + np.exp(-z)) for z in VALUES],
    "tanh": [np.tanh(z) for z in VALUES],
    "relu": [0, 0, 0, 0.5, 2],
    "leaky_relu": [-0.02, -0.005, 0, 0.5, 2],
    "identity": VALUES,
    "gelu": [z * (1 + math.erf(z / math.sqrt(2))) / 2 for z in VALUES],
    "silu": [z / (1 + np.exp(-z)) for z in VALUES],
    "elu": [z if z > 0 else np.exp(z) - 1 for z in VALUES],
    "softplus": [np.log(1 + np.exp(z)) for z in VALUES],
    "exponential": [np.exp(z) for z in VALUES],
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_by_hand(ops, activation):
    z = np.tile(VALUES, (2, 1)) - 1.5
    ops.bias_activation(z, np.full(5, 1.5), activation)
    np.testing.assert_allclose(z, [BY_HAND[activation]] * 2, rtol=1e-15, atol=1e-16)


def test_multiply_column_sums_absolute_sum_and_row_errors(ops):
    a = array([1, -2], [3, 4], dtype="float32")
    out, sums, total, errors = np.empty_like(a), array(10, 20), array(5.0), np.empty(2)
    ops.multiply(a, array([0, 2], [1, -1], dtype="float32"), out)
    ops.add_column_sums(a, sums)
    ops.add_absolute_sum(a, total)
    ops.row_errors(a, array([1, 1], [0, 0], dtype="float32"), errors)
    assert out.tolist() == [[0, -4], [3, -4]]
    assert sums.tolist() == [14, 22]
    assert total.tolist() == [15]
    assert errors.tolist() == [4.5, 12.5]


def test_copied_columns_leave_the_others_as_they_are(ops):
    source, out = array([1, 2, 3], [4, 5, 6], dtype="float32"), np.zeros((2, 4), np.float32)
    ops.copy_columns(source, 1, out, 2, 2)
    assert out.tolist() == [[0, 0, 2, 3], [0, 0, 5, 6]]


def test_sums_are_accumulated_in_float64(ops):
    """In float32 the ones would be lost beside 2²⁵."""
    a = np.ones((64, 1), np.float32)
    a[0] = 2**25
    sums, total = np.zeros(1), np.zeros(1)
    ops.add_column_sums(a, sums)
    ops.add_absolute_sum(-a, total)
    assert sums[0] == total[0] == 2**25 + 63
    assert ops.dot(a.ravel(), np.ones(64, np.float32)) == 2**25 + 63


# Loss and backward


@pytest.mark.parametrize(
    ("loss", "expected", "factor"), [("mse", 2.0 / 3 + 1.5, 2 / 3), ("sse", 1.0 + 2.25, 1.0)]
)
def test_squared_losses_by_hand(ops, loss, expected, factor):
    """The first row's squared errors sum up to 2, the second's to 4.5."""
    error = array([1, 1, 0], [-2, 0.5, 0.5])
    target = np.full((2, 3), 3.0)
    z, total, bias_gradient = target + error, np.zeros(1), np.empty(3)
    ops.output_loss(z.copy(), np.zeros(3), target, "identity", loss, total)
    assert total[0] == pytest.approx(expected, rel=1e-14)
    ops.output_delta(z, np.zeros(3), target, "identity", loss, 2, total, bias_gradient, False)
    assert total[0] == pytest.approx(2 * expected, rel=1e-14)
    np.testing.assert_allclose(z, factor * error / 2, rtol=1e-14)
    np.testing.assert_allclose(bias_gradient, factor * error.sum(axis=0) / 2, rtol=1e-14)


def test_huber_by_hand(ops):
    error, delta = array([2.0, -0.5, 0.1, -3.0]), 0.5
    terms = [0.5 * (2 - 0.25), 0.5 * 0.25, 0.005, 0.5 * (3 - 0.25)]
    z, target, total, sums = error + 7, np.full((1, 4), 7.0), np.zeros(1), np.empty(4)
    ops.output_delta(z, np.zeros(4), target, "identity", "huber", 5, total, sums, False, delta)
    assert total[0] == pytest.approx(sum(terms) / 4, rel=1e-14)
    np.testing.assert_allclose(z, array([0.5, -0.5, 0.1, -0.5]) / 4 / 5, rtol=1e-13)


def test_poisson_by_hand(ops):
    """With a count of 0, of which 0 log 0 is 0."""
    z, counts = array([0.3, -1.0, 1.2]), array([0.0, 1.0, 5.0])
    rate = np.exp(z)
    terms = rate - counts + np.array([0, -z[0, 1], 5 * (np.log(5) - z[0, 2])])
    total, output, sums = np.zeros(1), z.copy(), np.empty(3)
    ops.output_loss(output, np.zeros(3), counts, "exponential", "poisson", total)
    assert total[0] == pytest.approx(terms.mean(), rel=1e-13)
    np.testing.assert_allclose(output, rate, rtol=1e-14)
    ops.output_delta(z, np.zeros(3), counts, "exponential", "poisson", 5, total, sums, False)
    assert total[0] == pytest.approx(2 * terms.mean(), rel=1e-13)
    np.testing.assert_allclose(z, (rate - counts) / 3 / 5, rtol=1e-13)


def test_cosine_by_hand(ops):
    """Rows at a right angle, along each other, and of zeros on either side."""
    z = array([3.0, 4.0], [2.0, 2.0], [0.0, 0.0], [1.0, 2.0])
    target = array([-4.0, 3.0], [5.0, 5.0], [1.0, 2.0], [0.0, 0.0])
    total, sums, output = np.array([1.0]), np.empty(2), z.copy()
    ops.output_loss(output, np.zeros(2), target, "identity", "cosine", total)
    assert total[0] == pytest.approx(1 + 1 + 0 + 1 + 1, rel=1e-14)
    np.testing.assert_array_equal(output, z)
    ops.output_delta(z, np.zeros(2), target, "identity", "cosine", 5, total, sums, False)
    assert total[0] == pytest.approx(2 * 3 + 1, rel=1e-14)
    expected = [[0.8 / 25, -0.6 / 25], [0, 0], [0, 0], [0, 0]]
    np.testing.assert_allclose(z, expected, atol=1e-16)
    np.testing.assert_allclose(sums, expected[0], atol=1e-16)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e-15), ("float32", 1e15), ("float64", 1e80)]
)
def test_cosine_of_rows_whose_squares_would_leave_the_range(ops, dtype, size):
    z, target = (normal_rows(seed, dtype) for seed in (0, 1))
    found = []
    for factor in (1.0, size):
        own = z * z.dtype.type(factor)
        total, sums = np.zeros(1), np.empty(5, dtype)
        scaled = target * target.dtype.type(factor)
        ops.output_delta(
            own, np.zeros(5, dtype), scaled, "identity", "cosine", 3, total, sums, False
        )
        found.append((total[0], own * own.dtype.type(factor)))
    (loss, delta), (scaled_loss, scaled_delta) = found
    accuracy = 1e-5 if dtype == "float32" else 1e-12
    assert scaled_loss == pytest.approx(loss, rel=accuracy)
    np.testing.assert_allclose(scaled_delta, delta, rtol=100 * accuracy, atol=accuracy)


def normal_rows(seed, dtype):
    return np.random.default_rng(seed).standard_normal((3, 5)).astype(dtype)


def test_cross_entropy_by_hand(ops):
    z, target = array([0.3, -1.2]), array([0.9, 0.2])
    probability = 1 / (1 + np.exp(-z))
    entropy = -(target * np.log(probability) + (1 - target) * np.log(1 - probability)).mean()
    total, sums = np.array([7.0]), np.empty(2)
    forward, delta = z.copy(), z.copy()
    ops.output_loss(forward, np.zeros(2), target, "sigmoid", "bce", total)
    assert total[0] == pytest.approx(7 + entropy, rel=1e-14)
    np.testing.assert_allclose(forward, probability, rtol=1e-14)
    ops.output_delta(delta, np.zeros(2), target, "sigmoid", "bce", 4, total, sums, False)
    np.testing.assert_allclose(delta, (probability - target) / 2 / 4, rtol=1e-13)
    np.testing.assert_allclose(sums, delta[0], rtol=1e-15)
    assert total[0] == pytest.approx(7 + 2 * entropy, rel=1e-14)


def test_cross_entropy_of_extreme_logits_stays_finite(ops):
    for dtype in ("float32", "float64"):
        z, total = np.array([[1e4, -1e4, 200, -200]], dtype), np.zeros(1)
        target = np.array([[0, 1, 1, 0]], dtype)
        ops.output_loss(z, np.zeros(4, dtype), target, "sigmoid", "bce", total)
        assert total[0] == pytest.approx(2e4 / 4, rel=1e-6)
        np.testing.assert_allclose(z, [[1, 0, 1, 0]], atol=1e-30)


def softmax_delta(ops, z, target, *, rows_of_step=1, bias=None):
    """Return the delta, the loss and the column sums."""
    delta, total, sums = z.copy(), np.zeros(1), np.full(z.shape[1], np.nan, z.dtype)
    bias = np.zeros(z.shape[1], z.dtype) if bias is None else bias
    ops.softmax_delta(delta, bias, target, rows_of_step, total, sums, False)
    return delta, total[0], sums


def softmax_loss(ops, z, target, bias=None):
    """Return the probabilities and the loss."""
    probability, total = z.copy(), np.zeros(1)
    bias = np.zeros(z.shape[1], z.dtype) if bias is None else bias
    ops.softmax_loss(probability, bias, target, total)
    return probability, total[0]


def test_softmax_by_hand(ops):
    """A class with a weight of 3, and a row whose targets are shares that sum to 2."""
    probability = array([1, 2, 5], [4, 3, 1]) / 8
    bias, target = array(0.5, -1.0, 7.0), array([0, 3, 0], [0.5, 0, 1.5])
    z = np.log(probability) - bias + array([30.0], [-2.0])
    loss = 3 * math.log(4) + 0.5 * math.log(2) + 1.5 * math.log(8)
    error = array([3, 6 - 24, 15], [8 - 4, 6, 2 - 12]) / 8
    alone, forward, delta = z.copy(), z.copy(), z.copy()
    total, sums = np.array([7.0]), array(10.0, 20.0, 30.0)
    ops.softmax(alone, bias)
    np.testing.assert_allclose(alone, probability, rtol=1e-13)
    ops.softmax_loss(forward, bias, target, total)
    np.testing.assert_array_equal(forward, alone)
    assert total[0] == pytest.approx(7 + loss, rel=1e-13)
    ops.softmax_delta(delta, bias, target, 5, total, sums, True)
    assert total[0] == pytest.approx(7 + 2 * loss, rel=1e-13)
    np.testing.assert_allclose(delta, error / 5, rtol=1e-12)
    np.testing.assert_allclose(sums, array(10, 20, 30) + error.sum(axis=0) / 5, rtol=1e-13)


def test_softmax_of_one_class_is_certain(ops):
    z, target = array([3.0], [-2.0], dtype="float32"), array([1.0], [0.3], dtype="float32")
    delta, loss, sums = softmax_delta(ops, z, target)
    assert [*delta.ravel(), loss, *sums] == [0, 0, 0, 0]
    assert softmax_loss(ops, z, target)[0].tolist() == [[1], [1]]


def test_softmax_of_rows_without_weight_moves_nothing(ops):
    delta, loss, sums = softmax_delta(ops, array([1.0, 2.0]), array([0.0, 0.0]))
    assert [*delta.ravel(), loss, *sums] == [0] * 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.0, 1e4, 0.9])
def test_softmax_of_extreme_logits_stays_finite(ops, dtype, share):
    """Of 1e4, and of nine tenths of the largest number that there is."""
    size = share if share > 1 else share * float(np.finfo(dtype).max)
    z = np.array([[size, -size, 0, size], [-size, -size, -size, -size]], dtype)
    target = np.array([[2, 0, 0, 0], [0, 1, 0, 0]], dtype)
    expected = np.array([[0.5, 0, 0, 0.5], [0.25] * 4] if size else [[0.25] * 4] * 2)
    delta, loss, sums = softmax_delta(ops, z, target)
    tolerance = {"rtol": 1e-6 if dtype == "float32" else 1e-14, "atol": 1e-30}
    np.testing.assert_allclose(delta, expected * [[2], [1]] - target, **tolerance)
    np.testing.assert_allclose(sums, delta.sum(axis=0), **tolerance)
    assert loss == pytest.approx(2 * math.log(2 if size else 4) + math.log(4), rel=1e-6)
    probability, same = softmax_loss(ops, z, target)
    np.testing.assert_allclose(probability, expected, **tolerance)
    assert same == loss


def test_softmax_loss_of_a_class_far_below(ops):
    """It counts with its distance, which float64 holds, and for nothing where its target is 0."""
    z = np.array([[-3e38, 3e38, -np.inf]], np.float32)
    probability, loss = softmax_loss(ops, z, np.array([[0.5, 1, 0]], np.float32))
    assert loss == pytest.approx(3e38, rel=1e-6)
    np.testing.assert_allclose(probability, [[0, 1, 0]], atol=1e-30)


def test_softmax_keeps_the_small_delta_of_a_class_that_is_nearly_certain(ops):
    """1 - p is less than what float32 has below 1; a row's deltas sum to nothing."""
    z, target = array([20.0, 0.0], dtype="float32"), array([1.0, 0.0], dtype="float32")
    delta, loss, _ = softmax_delta(ops, z, target)
    small = math.exp(-20) / (1 + math.exp(-20))
    np.testing.assert_allclose(delta, [[-small, small]], rtol=1e-6)
    assert loss == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)


@pytest.mark.parametrize("by", ["z", "bias"])
def test_softmax_delta_is_the_slope_of_the_loss(ops, by):
    """Central differences in float64, entry by entry."""
    random = np.random.default_rng(5)
    given = {"z": 2 * random.standard_normal((4, 5)), "bias": random.standard_normal(5)}
    target = random.random((4, 5)) * (random.random((4, 5)) > 0.3)
    delta, _, sums = softmax_delta(ops, given["z"], target, rows_of_step=3, bias=given["bias"])
    slopes = delta if by == "z" else sums
    for place, slope in np.ndenumerate(slopes):
        ends = []
        for step in (1e-5, -1e-5):
            moved = {name: own.copy() for name, own in given.items()}
            moved[by][place] += step
            ends.append(softmax_loss(ops, moved["z"], target, moved["bias"])[1] / 3)
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_the_kl_penalty_by_hand(ops, activation):
    """Three rows with the sums (0.6, 1.8): the means 0.2 and 0.6, or 0.6 and 0.8 from tanh."""
    mean = np.array([0.6, 0.8] if activation == "tanh" else [0.2, 0.6])
    unit = 0.5 if activation == "tanh" else 1.0
    rho, beta = 0.1, 3.0
    slope, total = np.empty(2), np.array([1.0])
    ops.kl_slope(array(0.6, 1.8), 3, rho, beta, activation, slope, total)
    np.testing.assert_allclose(
        slope, unit * beta * (-rho / mean + (1 - rho) / (1 - mean)) / 3, rtol=1e-13
    )
    divergence = rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
    assert total[0] == pytest.approx(1 + 3 * beta * divergence.sum(), rel=1e-13)


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_the_kl_penalty_is_zero_at_rho_and_grows_away_from_it(ops, rho):
    def penalty(mean):
        total = np.zeros(1)
        ops.kl_slope(array(4 * mean), 4, rho, 1.0, "sigmoid", np.empty(1), total)
        return total[0] / 4

    below = [penalty(mean) for mean in np.linspace(rho, 0, 9)]
    above = [penalty(mean) for mean in np.linspace(rho, 1, 9)]
    for side in (below, above):
        assert side[0] == pytest.approx(0, abs=1e-15)
        assert (np.diff(side) > 0).all()
        assert np.isfinite(side).all()


def test_a_mean_activation_is_kept_off_zero_and_one(ops):
    slope, total = np.empty(2), np.zeros(1)
    ops.kl_slope(array(0.0, 5.0), 5, 0.5, 1.0, "sigmoid", slope, total)
    expected = (-0.5 / 1e-6 + 0.5 / (1 - 1e-6)) / 5
    np.testing.assert_allclose(slope, [expected, -expected], rtol=1e-9)
    assert np.isfinite(total[0])


def test_a_hidden_delta_by_hand(ops):
    delta = array([2.0, -1.0], [0.5, 4.0])
    a = array([0.5, 0.2], [-0.5, 0.0])
    mask = array([2.0, 0.0], [1.0, 2.0])
    sums = array(100.0, 200.0)
    ops.hidden_delta(delta, a, mask, array(0.1, 0.2), 0.25, "tanh", sums, False)
    expected = [
        [(4 + 0.1 + 0.25) * 0.75, (0 + 0.2 + 0.25) * 0.96],
        [(0.5 + 0.1 - 0.25) * 0.75, (8 + 0.2 + 0) * 1.0],
    ]
    np.testing.assert_allclose(delta, expected, rtol=1e-14)
    np.testing.assert_allclose(sums, np.sum(expected, axis=0), rtol=1e-14)
    again = array([2.0, -1.0], [0.5, 4.0])
    ops.hidden_delta(again, a, None, None, 0.0, "identity", sums, True)
    assert again.tolist() == [[2, -1], [0.5, 4]]
    np.testing.assert_allclose(sums, np.sum(expected, axis=0) + array(2.5, 3), rtol=1e-14)


# Parameters


@pytest.mark.parametrize("place", [slice(0, 3), slice(2, 6), slice(4, 6), slice(0, 6)])
@pytest.mark.parametrize("count", [1, 3])
def test_lanes_are_summed(ops, count, place):
    lanes = np.arange(6.0 * count).reshape(count, 6)
    out = np.full(place.stop - place.start, np.nan)
    ops.sum_lanes(lanes, place, out)
    assert out.tolist() == lanes.sum(axis=0)[place].tolist()


def test_squares_are_added_with_their_factor(ops):
    total = array(1.0)
    ops.add_squares(array(1, 2, 3, dtype="float32"), 0.5, total)
    assert total[0] == 8


def test_adam_makes_the_papers_step(ops, rows_at):
    w, g, m, v = array(1.0, -2.0), array(0.5, -3.0), array(0.1, 0.2), array(0.3, 0.4)
    clock = rows_at([0], step=5, rate=0.01).clock
    first, second = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    mean, variance = first / (1 - 0.9**5), second / (1 - 0.999**5)
    expected = w - 0.01 * mean / (np.sqrt(variance) + 1e-8)
    ops.adam(w, g, m, v, clock)
    np.testing.assert_allclose(m, first, rtol=1e-14)
    np.testing.assert_allclose(v, second, rtol=1e-14)
    np.testing.assert_allclose(w, expected, rtol=1e-14)
    assert clock.counters[STEP] == 5


def test_adams_first_step_has_the_rates_length(ops, rows_at):
    w, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    ops.adam(w, array(1e-3, -5.0, 1e3), m, v, rows_at([0], step=1, rate=0.01).clock)
    np.testing.assert_allclose(w, [-0.01, 0.01, -0.01], rtol=1e-4)


def test_sgd_makes_a_step_with_momentum(ops, rows_at):
    w, velocity = array(1.0, 2.0), array(0.5, -1.0)
    ops.sgd(w, array(10.0, -20.0), velocity, 0.9, rows_at([0], rate=0.01).clock)
    np.testing.assert_allclose(velocity, [0.45 - 0.1, -0.9 + 0.2], rtol=1e-14)
    np.testing.assert_allclose(w, [1.35, 1.3], rtol=1e-14)


@pytest.mark.parametrize("decayed", [None, 0, 1, 1301, 2500])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_optimizer_step_may_decay_some_and_add_their_squares(ops, rows_at, optimizer, decayed):
    vectors = np.random.default_rng(4).random((4, 2500)).astype(np.float32)
    clock, total = rows_at([0], step=3, rate=0.01).clock, array(7.0)
    stop = 2500 if decayed is None else decayed
    expected = 7 + 0.5 * float((vectors[0, :stop].astype(float) ** 2).sum())
    in_parts = vectors.copy()

    def step(own, *decay):
        if optimizer == "adam":
            ops.adam(*own, clock, *decay)
        else:
            ops.sgd(*own[:3], 0.9, clock, *decay)

    step(vectors, 0.1, decayed, total, 0.5)
    step([own[:stop] for own in in_parts], 0.1)
    step([own[stop:] for own in in_parts], 0.0)
    np.testing.assert_array_equal(vectors, in_parts)
    assert total[0] == pytest.approx(expected, rel=1e-6 if ops.name == "cpu" else 1e-12)


def test_axpby_and_dot(ops):
    x, y = array(1, 2, dtype="float32"), array(10, 20, dtype="float32")
    ops.axpby(2.0, x, 0.5, y)
    assert y.tolist() == [7, 14]
    assert ops.dot(x, y) == 35
    y[:] = np.nan
    ops.axpby(-1.0, x, 0.0, y)
    assert y.tolist() == [-1, -2]


# What is not a finite number


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_comes_through_every_activation(ops, activation, dtype):
    z = np.array([[np.nan, 1.0]], dtype)
    ops.bias_activation(z, np.zeros(2, dtype), activation)
    assert np.isnan(z[0, 0])
    assert np.isfinite(z[0, 1])


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
@pytest.mark.parametrize(("activation", "loss"), OUTPUTS)
@pytest.mark.parametrize("where", ["z", "target", "bias"])
def test_nan_comes_through_every_loss(ops, activation, loss, dtype, where):
    given = {"z": np.full((2, 2), 0.5), "bias": np.zeros(2), "target": np.full((2, 2), 0.25)}
    given[where].ravel()[-1] = np.nan
    z, bias, target = (given[name].astype(dtype) for name in ("z", "bias", "target"))
    total, sums = np.zeros(1), np.zeros(2, dtype)
    ops.output_loss(z.copy(), bias, target, activation, loss, total)
    assert np.isnan(total[0])
    total[0] = 0
    ops.output_delta(z, bias, target, activation, loss, 2, total, sums, False)
    assert np.isnan(total[0])
    assert np.isnan(sums[1])
    assert np.isfinite(sums[0]) or LOSSES[loss].compiled_row, "a row has one loss"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("where", ["z", "target", "bias"])
@pytest.mark.parametrize("place", [0, 1, 33])
@pytest.mark.parametrize("nan", [np.nan, -np.nan])
def test_nan_comes_through_softmax(ops, dtype, where, place, nan):
    """To all of its row, for a row has one sum, and in no column's gradient is it lost."""
    given = {"z": np.ones((2, 34)), "bias": np.zeros(34), "target": np.zeros((2, 34))}
    given[where][..., place].flat[-1] = nan
    z, bias, target = (given[name].astype(dtype) for name in ("z", "bias", "target"))
    probability, loss = softmax_loss(ops, z, target, bias)
    assert np.isnan(loss)
    assert np.isnan(probability[1]).all() == (where != "target")
    assert np.isfinite(probability[0]).all() == (where != "bias")
    delta, loss, sums = softmax_delta(ops, z, target, bias=bias)
    assert np.isnan(loss)
    assert np.isnan(delta[1]).all()
    assert np.isnan(sums).all()
    assert np.isfinite(delta[0]).all() == (where != "bias")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nan_comes_through_every_hidden_delta(ops, activation):
    delta, sums = array([np.nan, 1.0]), np.zeros(2)
    ops.hidden_delta(delta, array([0.5, 0.5]), None, None, 0.0, activation, sums, False)
    assert np.isnan([delta[0, 0], sums[0]]).all()
    assert np.isfinite([delta[0, 1], sums[1]]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_infinities_do_no_harm_to_their_neighbours(ops, activation, dtype):
    limits = {
        "sigmoid": (1, 0),
        "tanh": (1, -1),
        "relu": (np.inf, 0),
        "gelu": (np.inf, 0),
        "silu": (np.inf, 0),
        "elu": (np.inf, -1),
        "softplus": (np.inf, 0),
        "exponential": (np.inf, 0),
    }
    z = np.array([[np.inf, 0.5, -np.inf]], dtype)
    ops.bias_activation(z, np.zeros(3, dtype), activation)
    expected = limits.get(activation, (np.inf, -np.inf))
    found = np.clip([z[0, [0, 2]], expected], -1e38, 1e38)  # eˣ ends at e⁸⁸ in float32
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-30)
    assert np.isfinite(z[0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_infinite_output_gives_a_loss_that_is_not_finite(ops, loss, dtype):
    own = LOSSES[loss].output
    activation = own.name if own else "identity"
    total = np.zeros(1)
    z = np.array([[np.inf, 0.5]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        ops.output_loss(z, np.zeros(2, dtype), np.zeros((1, 2), dtype), activation, loss, total)
    assert not np.isfinite(total[0])
