"""The compiled operations compute what the NumPy ones define, on awkward shapes and both types."""

import itertools

import numpy as np
import pytest
from pairwise import pairwise

from gpuae.backends import philox
from gpuae.backends.ops import Corruption, Scaling
from gpuae.functions import activations
from gpuae.functions.losses import LOSSES

ACTIVATIONS = list(activations.ACTIVATIONS)
OUTPUTS = [
    pair for pair in itertools.product(ACTIVATIONS, LOSSES) if LOSSES[pair[1]].takes(pair[0])
]
PARAMETER = 0.4
"""Of losses that have one."""
SHAPES = [(1, 1), (1, 7), (7, 1), (3, 5), (5, 8), (17, 33), (64, 31), (41, 132), (0, 5)]
"""Rows and columns: empty, single, odd, whole groups of four, and beyond a tile of 128 columns."""

WEIGHTED_SHAPES = [(0, 5), (5, 8), (17, 33), (41, 132)]
WEIGHTED_OUTPUTS = [
    ("tanh", "mse"),
    ("sigmoid", "bce"),
    ("identity", "huber"),
    ("exponential", "poisson"),
    ("tanh", "cosine"),
]
"""Each way in which a loss is computed, once: their weights do not depend on f."""

TYPES = ["float32", "float64"]

each_type = pytest.mark.parametrize("dtype", TYPES)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")


def normal(shape, dtype, seed=0, scale=1.5):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def uniform(shape, dtype, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


@pairwise(
    sizes=[(1, 1, 1), (3, 5, 7), (33, 17, 65), (128, 9, 31)],
    flags=list(itertools.product([False, True], repeat=3)),
    dtype=TYPES,
)
def test_gemm(assert_agree, sizes, flags, dtype):
    m, n, k = sizes
    a = normal((k, m) if flags[0] else (m, k), dtype)
    b = normal((n, k) if flags[1] else (k, n), dtype, 1)
    out = normal((m, n), dtype, 2)
    assert_agree(lambda ops, a, b, out: ops.gemm(a, b, out, *flags), a=a, b=b, out=out)


@pairwise(
    source=[*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), *TYPES],
    dtype=TYPES,
    finer=[False, True],
)
def test_gather(assert_agree, rows_at, source, dtype, finer):
    random = np.random.default_rng(3)
    if source.startswith("f"):
        x = (1e3 * random.standard_normal((9, 7))).astype(source)
    else:
        info = np.iinfo(source)
        x = random.integers(info.min, info.max, (9, 7), source, endpoint=True)
    number = "float64" if finer else np.result_type(source, dtype)
    center, span = x.astype(float).mean(axis=0), float(np.ptp(x.astype(float)))
    scaling = Scaling(center.astype(number), np.full(7, 1 / span, number), -0.4, 0.4)
    rows = rows_at([8, 0, 3, 3, 5, 1], start=1, first=1, count=3)
    out = np.zeros((3, 7), dtype)
    assert_agree(lambda ops, x, out: ops.gather(rows, x, scaling, out), x=x, out=out)


@each_type
@each_shape
def test_unscale(assert_agree, shape, dtype):
    scaling = Scaling(normal(shape[1], dtype), uniform(shape[1], dtype) + 0.1, -np.inf, np.inf)
    assert_agree(
        lambda ops, x, out: ops.unscale(x, scaling, out),
        x=normal(shape, dtype, 1),
        out=np.zeros(shape, dtype),
    )


@each_type
@each_shape
def test_totals_and_logarithms_of_counts(assert_agree, shape, dtype):
    counts = np.random.default_rng(4).poisson(3.0, shape).astype(dtype)
    counts[1::3] = 0

    def call(ops, x, center, logs):
        ops.normalize_rows(x, 17.5)
        ops.log1p(x, center, logs)

    assert_agree(call, x=counts, center=normal(shape[1], dtype), logs=np.zeros(shape, dtype))


@pairwise(shape=SHAPES, dtype=TYPES, kind=["masking", "salt_pepper"])
def test_masks_of_noise_are_equal_bit_for_bit(fast_ops, rows_at, shape, dtype, kind):
    from gpuae.backends.numpy_ops import NumpyOps

    x = 1 + uniform(shape, dtype)
    low, high = (np.full(shape[1], value, dtype) for value in (-1, 5))
    noise = Corruption(kind, 0.37, 2**40 + 3, low, high)
    rows = rows_at(np.arange(shape[0])[::-1], epoch=5, row_base=2**31)
    left = []
    for ops in (NumpyOps(), *fast_ops):
        out = np.full(shape, np.nan, dtype)
        ops.corrupt(rows, x, noise, out)
        left.append(out)
    for own in left[1:]:
        np.testing.assert_array_equal(left[0], own)


@pairwise(shape=[*SHAPES, (500, 333)], rate=[0.1, 0.5], combine=[False, True], dtype=TYPES)
def test_dropout_masks_are_equal_bit_for_bit(fast_ops, rows_at, shape, rate, combine, dtype):
    from gpuae.backends.numpy_ops import NumpyOps

    rows = rows_at(range(shape[0]), epoch=3, row_base=12)
    left = []
    for ops in (NumpyOps(), *fast_ops):
        mask = (uniform(shape, dtype) > 0.5).astype(dtype)
        ops.dropout_mask(rows, 2, rate, 2**35, mask, combine)
        left.append(mask)
    for own in left[1:]:
        np.testing.assert_array_equal(left[0], own)


def test_masks_of_far_columns_in_late_epochs_are_equal_bit_for_bit(fast_ops, rows_at):
    from gpuae.backends.numpy_ops import NumpyOps

    shape = (1, 4 * 65_537 + 3)
    x, low, high = np.ones(shape, np.float32), *np.full((2, shape[1]), -1, np.float32)
    rows = rows_at([2**31 + 5], epoch=0x0102_0304, row_base=3)
    left = []
    for ops in (NumpyOps(), *fast_ops):
        mask, noisy = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        ops.dropout_mask(rows, 3, 0.5, 2**35, mask, False)
        ops.corrupt(rows, x, Corruption("masking", 0.5, 2**35, low, high), noisy)
        left.append((mask, noisy))
    for own in left[1:]:
        np.testing.assert_array_equal(left[0], own)


def test_sums_of_tall_matrices_and_of_many_tiles(assert_agree):
    """More strips than a block has warps, and more partial sums than it has threads."""
    a, bias = normal((4200, 131), "float32", 1), normal(131, "float32", 2)

    def call(ops, a, z, sums, total, bias_gradient):
        ops.add_column_sums(a, sums)
        ops.add_absolute_sum(a, total)
        ops.output_delta(z, bias, a, "tanh", "mse", 4200, total, bias_gradient, False)

    sums, total, gradient = np.zeros(131), np.zeros(1), np.zeros(131, np.float32)
    arrays = {"a": a, "z": a.copy(), "sums": sums, "total": total, "bias_gradient": gradient}
    assert_agree(call, 1e-5, **arrays)


@each_type
def test_normals_agree_to_a_hundred_thousandth(fast_ops, rows_at, dtype):
    """But for words so near 2³² that float32 rounds them to it: there the radius goes to zero."""
    from gpuae.backends.numpy_ops import NumpyOps

    x = np.zeros((300, 331), dtype)
    noise = Corruption("gaussian", 1.0, 2**33 + 7, x[0], x[0])
    rows = rows_at(range(300), epoch=2)
    left = []
    for ops in (NumpyOps(), *fast_ops):
        out = np.empty_like(x)
        ops.corrupt(rows, x, noise, out)
        left.append(out.astype(float))
    limit = 1e-5 if dtype == "float32" else 1e-12
    for own in left[1:]:
        difference = np.abs(left[0] - own)
        assert np.quantile(difference, 0.9999) <= limit
        assert difference.max() <= (2.5e-4 if dtype == "float32" else 1e-12)


@pairwise(
    shape=SHAPES,
    dtype=TYPES,
    kind=["gaussian", "clipped_gaussian", "masking", "salt_pepper"],
    elsewhere=[False, True],
    source=["uint8", "int32", "float32", "float64"],
)
def test_gathering_and_corrupting_at_once(
    assert_agree, rows_at, shape, dtype, kind, elsewhere, source
):
    count, columns = shape
    number = np.result_type(source, dtype)
    x = (100 * uniform((count + 3, columns), "float64", 4)).astype(source)
    center, factor = normal(columns, number, 5), 0.1 + uniform(columns, number, 6)
    low, high = np.sort(normal((2, columns), dtype, 7), axis=0)
    order = np.arange(count + 2)[::-1]
    places = np.roll(order, 1) if elsewhere else None
    rows = rows_at(order, start=1, first=1, count=count, epoch=4, row_base=9, places=places)
    scaling, noise = Scaling(center, factor, -0.5, 3.0), Corruption(kind, 0.4, 2**40 + 1, low, high)

    def call(ops, x, out, noisy):
        ops.gather_corrupt(rows, x, scaling, noise, out, noisy)

    empty = np.zeros(shape, dtype)
    assert_agree(call, 1e-5 if dtype == "float32" else 1e-12, x=x, out=empty, noisy=empty)


@pairwise(
    shape=SHAPES, dtype=TYPES, kind=["gaussian", "clipped_gaussian", "masking", "salt_pepper"]
)
def test_corrupting(assert_agree, rows_at, shape, dtype, kind):
    low, high = np.sort(normal((2, shape[1]), dtype, 7), axis=0)
    rows = rows_at(np.arange(shape[0] + 3), start=1, first=2, count=shape[0], epoch=1, row_base=4)
    noise = Corruption(kind, 0.4, 77, low, high)
    assert_agree(
        lambda ops, x, out: ops.corrupt(rows, x, noise, out),
        1e-5 if dtype == "float32" else 1e-12,
        x=normal(shape, dtype),
        out=np.zeros(shape, dtype),
    )


@pairwise(shape=SHAPES, dtype=TYPES, activation=ACTIVATIONS)
def test_bias_activation_dropout(assert_agree, rows_at, shape, dtype, activation):
    rows = rows_at(np.arange(shape[0] + 3), start=1, first=2, count=shape[0], epoch=1, row_base=4)
    assert_agree(
        lambda ops, z, bias, mask, out: ops.bias_activation_dropout(
            rows, z, bias, activation, 3, 0.3, 2**33 + 1, mask, out
        ),
        z=normal(shape, dtype),
        bias=normal(shape[1], dtype, 1),
        mask=np.full(shape, np.nan, dtype),
        out=np.full(shape, np.nan, dtype),
    )


@pairwise(shape=SHAPES, dtype=TYPES, activation=ACTIVATIONS)
def test_bias_activation(assert_agree, shape, dtype, activation):
    assert_agree(
        lambda ops, z, bias: ops.bias_activation(z, bias, activation),
        z=normal(shape, dtype),
        bias=normal(shape[1], dtype, 1),
    )


@pairwise(shape=SHAPES, dtype=TYPES, dropout=[False, True])
def test_bias_activation_keeps_z(assert_agree, rows_at, shape, dtype, dropout):
    rows = rows_at(np.arange(shape[0]))

    def call(ops, z, bias, mask, out, preactivation):
        if dropout:
            drawn = (3, 0.3, 2**33 + 1, mask, out)
            ops.bias_activation_dropout(rows, z, bias, "tanh", *drawn, preactivation)
        else:
            ops.bias_activation(z, bias, "tanh", preactivation)

    names = ("mask", "out", "preactivation")
    empty = {name: np.full(shape, 7, dtype) for name in names}
    assert_agree(call, z=normal(shape, dtype), bias=normal(shape[1], dtype, 1), **empty)


@pairwise(shape=SHAPES, dtype=TYPES, k=[1, 2, 5])
def test_topk_mask(assert_agree, shape, dtype, k):
    k = min(k, shape[1])
    a = np.random.default_rng(k).integers(-2, 3, shape).astype(dtype)
    assert_agree(lambda ops, a, mask: ops.topk_mask(a, k, mask), a=a, mask=np.full(shape, 7, dtype))


@pairwise(dtype=TYPES, around=[0.0, 1.0, -3.0], k=[1, 7, 40, 41, 77])
def test_topk_mask_tells_neighbouring_numbers_apart(assert_agree, dtype, around, k):
    row = [np.dtype(dtype).type(around)]
    for _ in range(20):
        row = [np.nextafter(row[0], -np.inf), *row, np.nextafter(row[-1], np.inf)]
    twice = np.tile(row, (3, 2)).astype(dtype)
    a = np.random.default_rng(k).permuted(twice, axis=1)
    assert_agree(lambda ops, a, mask: ops.topk_mask(a, k, mask), a=a, mask=np.full_like(a, 7))


@each_type
@each_shape
def test_elementwise_products_and_sums(assert_agree, shape, dtype):
    def call(ops, a, b, out, sums, total, errors):
        ops.multiply(a, b, out)
        ops.add_column_sums(a, sums)
        ops.add_absolute_sum(a, total)
        ops.row_errors(a, b, errors)

    assert_agree(
        call,
        a=normal(shape, dtype),
        b=normal(shape, dtype, 1),
        out=np.zeros(shape, dtype),
        sums=np.ones(shape[1]),
        total=np.ones(1),
        errors=np.zeros(shape[0]),
    )


@pairwise(shape=SHAPES, dtype=TYPES, output=OUTPUTS)
def test_output_loss(assert_agree, shape, dtype, output):
    activation, loss = output
    assert_agree(
        lambda ops, z, bias, target, total: ops.output_loss(
            z, bias, target, activation, loss, total, PARAMETER
        ),
        z=normal(shape, dtype, scale=3),
        bias=normal(shape[1], dtype, 1),
        target=uniform(shape, dtype),
        total=np.ones(1),
    )


@pairwise(shape=SHAPES, dtype=TYPES, output=OUTPUTS, accumulate=[False, True])
def test_output_delta(assert_agree, shape, dtype, output, accumulate):
    activation, loss = output
    directed = LOSSES[loss].scale_free
    if directed and shape[1] == 1:
        return  # a row of one number has a sign and no direction: the delta is 0, but for rounding
    assert_agree(
        lambda ops, z, bias, target, total, sums: ops.output_delta(
            z, bias, target, activation, loss, 100, total, sums, accumulate, PARAMETER
        ),
        rounding(activation, dtype),
        z=normal(shape, dtype, 3, scale=0.3),  # at 1x1 not where f' of gelu is 0
        bias=normal(shape[1], dtype, 5, scale=0.3) + np.dtype(dtype).type(directed),
        target=uniform(shape, dtype, 4),
        total=np.ones(1),
        sums=(1 + uniform(shape[1], dtype, 7)) / 10,  # more than a column adds: nothing cancels
    )


def row_weights(shape, dtype):
    """One weight a row, (m, 1); none is 1, by which its being forgotten would not show."""
    return (0.25 + 0.5 * uniform((shape[0], 1), dtype, 9)).astype(dtype)


@pairwise(shape=WEIGHTED_SHAPES, dtype=TYPES, output=WEIGHTED_OUTPUTS)
def test_outputs_of_rows_with_weights(assert_agree, shape, dtype, output):
    activation, loss = output

    def call(ops, z, again, bias, target, weights, total, sums):
        own = (bias, target, activation, loss)
        ops.output_loss(z, *own, total, PARAMETER, weights)
        ops.output_delta(again, *own, 100, total, sums, True, PARAMETER, weights)

    assert_agree(
        call,
        rounding(activation, dtype),
        z=normal(shape, dtype, 8, scale=0.3),
        again=normal(shape, dtype, 8, scale=0.3),
        bias=normal(shape[1], dtype, 5, scale=0.3) + np.dtype(dtype).type(1),
        target=uniform(shape, dtype, 4),
        weights=row_weights(shape, dtype),
        total=np.ones(1),
        sums=(1 + uniform(shape[1], dtype, 7)) / 10,
    )


@pairwise(shape=WEIGHTED_SHAPES, dtype=TYPES)
def test_softmax_of_rows_with_weights(assert_agree, shape, dtype):
    def call(ops, z, again, bias, target, weights, total, sums):
        ops.softmax_loss(z, bias, target, total, weights)
        ops.softmax_delta(again, bias, target, 100, total, sums, True, weights)

    assert_agree(
        call,
        z=normal(shape, dtype, 8),
        again=normal(shape, dtype, 8),
        bias=normal(shape[1], dtype, 5),
        target=uniform(shape, dtype),
        weights=row_weights(shape, dtype),
        total=np.ones(1),
        sums=1 + uniform(shape[1], dtype, 7),
    )


@pairwise(shape=WEIGHTED_SHAPES, dtype=TYPES, l1=[0.0, 0.25], slope=[False, True])
def test_codes_of_rows_with_weights(assert_agree, shape, dtype, l1, slope):
    def call(ops, delta, a, weights, units, total, sums, slope=None):
        ops.add_column_sums(a, units, weights)
        ops.add_absolute_sum(a, total, weights)
        ops.hidden_delta(delta, a, None, slope, l1, "tanh", sums, False, None, weights)

    optional = {"slope": normal(shape[1], dtype, 2)} if slope else {}
    assert_agree(
        call,
        delta=normal(shape, dtype),
        a=uniform(shape, dtype, 3) - np.dtype(dtype).type(0.5),
        weights=row_weights(shape, dtype),
        units=np.ones(shape[1]),
        total=np.ones(1),
        sums=normal(shape[1], dtype),
        **optional,
    )


@pairwise(dtype=TYPES, activation=["sigmoid", "tanh"])
def test_kl_slope_of_rows_with_weights(assert_agree, dtype, activation):
    def call(ops, sums, weight, slope, total):
        ops.kl_slope(sums, 20, 0.05, 3.0, activation, slope, total, weight)

    sums, weight = 12 * uniform(5, "float64"), np.array([17.5])
    assert_agree(call, sums=sums, weight=weight, slope=np.zeros(5, dtype), total=np.ones(1))


def class_weights(shape, dtype):
    """Targets of one class a row, each with the weight of its class, one of which is 0."""
    rows, classes = shape
    chosen = np.random.default_rng(6).integers(0, classes, rows)
    weights = 0.5 * np.arange(classes, 0, -1, dtype) - 0.5 * (classes > 1)
    return np.eye(classes, dtype=dtype)[chosen] * weights


TARGETS = {"weighted": class_weights, "shared": uniform}
"""Of softmax: neither sum to 1."""


@each_type
@each_shape
def test_copied_columns(assert_agree, shape, dtype):
    rows, columns = shape
    assert_agree(
        lambda ops, source, out: ops.copy_columns(source, 2, out, 1, columns),
        source=normal((rows, columns + 3), dtype),
        out=normal((rows, columns + 2), dtype, 1),
    )


@pairwise(shape=SHAPES, dtype=TYPES, scale=[1.5, 1e4], target=list(TARGETS))
def test_softmax_and_its_loss(assert_agree, shape, dtype, scale, target):
    def call(ops, z, again, bias, target, total):
        ops.softmax(z, bias)
        ops.softmax_loss(again, bias, target, total)

    assert_agree(
        call,
        z=normal(shape, dtype, 8, scale),
        again=normal(shape, dtype, 9, scale),
        bias=normal(shape[1], dtype, 1),
        target=TARGETS[target](shape, dtype),
        total=np.ones(1),
    )


@pairwise(shape=SHAPES, dtype=TYPES, target=list(TARGETS), accumulate=[False, True])
def test_softmax_delta(assert_agree, shape, dtype, target, accumulate):
    assert_agree(
        lambda ops, z, bias, target, total, sums: ops.softmax_delta(
            z, bias, target, 100, total, sums, accumulate
        ),
        z=normal(shape, dtype, 8),
        bias=normal(shape[1], dtype, 5),
        target=TARGETS[target](shape, dtype),
        total=np.ones(1),
        sums=1 + uniform(shape[1], dtype, 7),
    )


@each_type
def test_softmax_of_many_rows_and_classes(assert_agree, dtype):
    """More strips of rows than there are blocks, and more than one piece of a compiled loop."""
    shape = (900, 131)
    assert_agree(
        lambda ops, z, bias, target, total, sums: ops.softmax_delta(
            z, bias, target, 1, total, sums, False
        ),
        1e-5 if dtype == "float32" else None,
        z=normal(shape, dtype, 8),
        bias=normal(shape[1], dtype, 5),
        target=uniform(shape, dtype),
        total=np.ones(1),
        sums=np.zeros(shape[1], dtype),
    )


@pairwise(dtype=TYPES, units=[1, 3, 65], activation=["sigmoid", "tanh"])
def test_kl_slope(assert_agree, units, dtype, activation):
    sums = 20 * uniform(units, "float64")
    sums[0] = 0.0  # its mean activation is clamped, and the last one's at the other end
    sums[-1] = 20.0
    assert_agree(
        lambda ops, sums, slope, total: ops.kl_slope(sums, 20, 0.05, 3.0, activation, slope, total),
        sums=sums,
        slope=np.zeros(units, dtype),
        total=np.ones(1),
    )


@pairwise(
    shape=SHAPES,
    dtype=TYPES,
    activation=ACTIVATIONS,
    l1=[0.0, 0.25, 1.0],
    slope=[False, True],
    mask=[False, True],
)
def test_hidden_delta(assert_agree, shape, dtype, activation, l1, slope, mask):
    def call(ops, delta, a, sums, mask=None, slope=None, z=None):
        ops.hidden_delta(delta, a, mask, slope, l1, activation, sums, l1 == 0.25, z)

    optional = {}
    if activations.ACTIVATIONS[activation].needs_z or mask:
        optional["z"] = normal(shape, dtype, 4)
    if mask:
        optional["mask"] = 2 * (uniform(shape, dtype, 1) > 0.5).astype(dtype)
    if slope:
        optional["slope"] = normal(shape[1], dtype, 2)
    a = uniform(shape, dtype, 3) - zero_point(activation)
    a.flat[::3] = 0.0  # where relus have no derivative, all must say the same
    assert_agree(
        call,
        rounding(activation, dtype),
        delta=normal(shape, dtype),
        a=a.astype(dtype),
        sums=normal(shape[1], dtype),
        **optional,
    )


@each_type
@pytest.mark.parametrize(
    ("activation", "low"), [("gelu", [-12.6, -18, -1e30]), ("silu", [-80.5, -1e30])]
)
def test_activations_that_vanish_do_so_from_the_same_place(assert_agree, dtype, activation, low):
    """Values are tiny there, and nothing else is in the arrays that they might hide beside."""
    z = np.full((3, 5), 1, dtype)
    z[:] = np.resize(low, 5)

    def call(ops, out, delta, sums):
        ops.bias_activation(out, np.zeros(5, dtype), activation)
        ops.hidden_delta(delta, np.zeros_like(z), None, None, 0.0, activation, sums, False, z)

    limit = 1e-4 if dtype == "float32" else 1e-11
    assert_agree(call, limit, out=z, delta=np.ones_like(z), sums=np.zeros(5, dtype))


def rounding(activation, dtype):
    """Where f′ is a difference of terms with z, f a logarithm or f′·f a square: fewer digits."""
    less = activations.ACTIVATIONS[activation].needs_z or activation in ("exponential", "softplus")
    return 3e-6 if less and dtype == "float32" else None


def zero_point(activation):
    """Activations of a sigmoid are positive, the others' have both signs."""
    own = activations.ACTIVATIONS[activation]
    return 0.0 if own.bounded and not own.signed else 0.5


@pairwise(
    dtype=TYPES,
    lanes=[1, 2, 5],
    place=[slice(0, 40), slice(13, 31), slice(30, 40), slice(7, 8)],
)
def test_sum_lanes(assert_agree, lanes, place, dtype):
    assert_agree(
        lambda ops, lanes, out: ops.sum_lanes(lanes, place, out),
        lanes=normal((lanes, 40), dtype),
        out=np.zeros(place.stop - place.start, dtype),
    )


@pairwise(dtype=TYPES, size=[0, 1, 3, 1000, 5001], steps=[1, 2, 10_000], decay=[0.0, 0.1])
def test_optimizer_steps(assert_agree, rows_at, size, steps, decay, dtype):
    """With weight decay they add the squares of what decays, as a step of training asks them to."""
    clock = rows_at([0], step=steps, rate=0.01).clock

    def call(ops, parameters, gradient, first, second, velocity, total):
        decaying = (decay, None, total, 0.5) if decay else ()
        ops.adam(parameters, gradient, first, second, clock, *decaying)
        ops.sgd(parameters, gradient, velocity, 0.9, clock, *decaying)

    assert_agree(
        call,
        parameters=normal(size, dtype),
        gradient=normal(size, dtype, 1),
        first=normal(size, dtype, 2),
        second=uniform(size, dtype, 3),
        velocity=normal(size, dtype, 4),
        total=np.ones(1),
    )


@pairwise(dtype=TYPES, size=[0, 1, 3, 1000, 5001], beta=[0.0, 1.0, -0.3])
def test_vector_operations(assert_agree, size, beta, dtype):
    def call(ops, x, y, filled, total):
        total[0] += ops.dot(x, y)
        ops.add_squares(x, 0.7, total)
        ops.axpby(0.1, x, beta, y)
        ops.fill(filled, 0.3)

    x, y, filled = (normal(size, dtype, seed) for seed in range(3))
    assert_agree(call, x=x, y=y, filled=filled, total=np.ones(1))


@each_type
def test_a_word_that_is_the_threshold_is_no_event(assert_agree, rows_at, dtype):
    """The probability is chosen so that ⌊p·2³²⌋, or ⌊p·2³¹⌋, is a word that is drawn."""
    rows, seed, shape = rows_at(range(6)), 5, (6, 9)
    number = np.arange(6)
    dropped = philox.words(seed, philox.Purpose.DROPOUT, number, 9, 0, 2)[3, 5]
    noise = philox.words(seed, philox.Purpose.NOISE, number, 9)
    lower = noise[noise < 2**31][7]
    low, high = np.full(9, -1, dtype), np.full(9, 2, dtype)

    def call(ops, x, z, bias, mask, out, other, masked, salted, peppered):
        rate = float(dropped) / 2**32
        ops.bias_activation_dropout(rows, z, bias, "tanh", 2, rate, seed, mask, out)
        ops.dropout_mask(rows, 2, rate, seed, other, False)
        for level, kind, into in (
            (float(noise[3, 5]) / 2**32, "masking", masked),
            (float(noise[3, 5]) / 2**32, "salt_pepper", salted),
            (float(lower) / 2**31, "salt_pepper", peppered),
        ):
            ops.corrupt(rows, x, Corruption(kind, level, seed, low, high), into)

    names = ("mask", "out", "other", "masked", "salted", "peppered")
    given = {name: np.zeros(shape, dtype) for name in names}
    assert_agree(
        call, x=1 + uniform(shape, dtype), z=normal(shape, dtype), bias=normal(9, dtype, 1), **given
    )
