"""What a GPU's recorder puts off is done before it is needed: the same bits in fewer launches."""

import gc
import weakref
from itertools import pairwise

import numpy as np
import pytest
from host_gpu import waits_of

from gpuae.backends.cuda_deferred import Advance, Columns, Total, overlap
from gpuae.backends.cuda_order import Use, in_branches
from gpuae.backends.cupy_ops import CORRECTIONS, CupyOps, moved_tile
from gpuae.backends.ops import START, STEP, Clock, Rows, Scaling

ROWS, WIDTH, CODE = 37, 40, 35
"""Of a step: three strips of rows, more columns than one group has."""


@pytest.fixture(params=[(3, 0), (1, 7)], ids=["cuda, three blocks", "cuda, one block"])
def cuda(request, kernel_libraries):
    from host_gpu import HostGpu

    blocks, order = request.param
    return CupyOps(HostGpu(kernel_libraries, blocks=blocks, order=order))


class Buffers:
    """What random programs work on."""

    def __init__(self, dtype="float32"):
        random = np.random.default_rng(1)
        self.a, self.z, self.target, self.product = random.random((4, ROWS, WIDTH)).astype(dtype)
        self.parameters, self.gradient, self.first, self.second = random.random((4, 120)).astype(
            dtype
        )
        self.sums, self.totals = random.random(WIDTH), random.random(3)
        self.slope = np.zeros(WIDTH, dtype)
        self.square, self.out = random.random((2, WIDTH, WIDTH)).astype(dtype)
        self.clock = Clock(np.array([0, 2, 6, 0]), np.array([0.01]))

    def arrays(self):
        own = [own for own in vars(self).values() if isinstance(own, np.ndarray)]
        return [*own, self.clock.counters]


def sparse_code(o, b):
    o.fill(b.sums, 0.0)
    o.add_column_sums(b.a, b.sums)
    o.kl_slope(b.sums, 50, 0.1, 1.0, "sigmoid", b.slope, b.totals[:1])


def zeros_after_sums(o, b):
    o.add_column_sums(b.a, b.sums)
    o.fill(b.sums, 0.0)


def chosen(random):
    """Return a random operation of those that put work off or use what it writes."""
    at, low = random.integers(3), int(random.integers(80))
    total, bias = slice(at, at + 1), slice(low, low + WIDTH)
    add, rows = bool(random.integers(2)), int(random.integers(1, 9))
    calls = [
        sparse_code,
        zeros_after_sums,
        lambda o, b: o.fill(b.sums, 0.0),
        lambda o, b: o.fill(b.sums[: rows + 3], 0.0),
        lambda o, b: o.fill(b.gradient[bias], 0.0),
        lambda o, b: o.add_column_sums(b.a, b.sums),
        lambda o, b: o.add_column_sums(b.a[:9], b.sums),
        lambda o, b: o.add_absolute_sum(b.a, b.totals[total]),
        lambda o, b: o.add_squares(b.parameters[bias], 0.5, b.totals[total]),
        lambda o, b: o.hidden_delta(b.z, b.a, None, None, 0.0, "relu", b.gradient[bias], add),
        lambda o, b: o.output_delta(
            b.z, b.a[0], b.target, "tanh", "sse", 7, b.totals[total], b.gradient[bias], add
        ),
        lambda o, b: o.softmax_loss(b.z, b.a[0], b.target, b.totals[total]),
        lambda o, b: o.softmax_delta(
            b.z, b.a[0], b.target, 7, b.totals[total], b.gradient[bias], add
        ),
        lambda o, b: o.kl_slope(b.sums, 50, 0.1, 1.0, "sigmoid", b.slope, b.totals[total]),
        lambda o, b: o.axpby(0.5, b.sums, 0.25, b.sums),
        lambda o, b: o.gemm(b.a, b.square, b.product, accumulate=add),
        lambda o, b: o.bias_activation(b.product, b.a[0], "tanh"),
        lambda o, b: o.axpby(0.5, b.product.reshape(-1), 0.5, b.z.reshape(-1)),
        lambda o, b: o.gemm(b.gradient[bias].reshape(5, 8), b.square[:8], b.out[:5]),
        lambda o, b: o.advance(b.clock, rows),
        lambda o, b: o.adam(
            b.parameters, b.gradient, b.first, b.second, b.clock, 0.1, low, b.totals[total], 2.0
        ),
        lambda o, b: o.sgd(b.parameters[bias], b.gradient[bias], b.first[bias], 0.5, b.clock, 0.1),
    ]
    return calls[random.integers(len(calls))]


@pytest.mark.parametrize("seed", range(12))
def test_a_program_leaves_what_its_calls_would(cuda, seed):
    random = np.random.default_rng(seed)
    calls = [chosen(random) for _ in range(25)]
    at_once, recorded = Buffers(), Buffers()
    (recorder,) = cuda.recorders(1, lambda: None)
    for _ in range(2):  # the second program finds what the first one left
        for call in calls:
            call(cuda, at_once)
            call(recorder.ops, recorded)
        recorder.take().replay(1)
        for expected, got in zip(at_once.arrays(), recorded.arrays(), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_sums_of_many_strips_are_added_in_the_same_order(cuda):
    """More strips than a block has warps, so that a warp has several."""
    a = np.random.default_rng(2).random((300, WIDTH)).astype(np.float32)
    (recorder,) = cuda.recorders(1, lambda: None)
    left = []
    for ops in (cuda, recorder.ops):
        sums, slope, total = np.ones(WIDTH), np.zeros(WIDTH, np.float32), np.zeros(1)
        ops.add_column_sums(a, sums)
        ops.kl_slope(sums, 500, 0.1, 1.0, "sigmoid", slope, total)
        left.append((sums, slope, total))
    recorder.take().replay(1)
    for expected, got in zip(*left, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(left[1][0], 1 + a.sum(axis=0, dtype=float), rtol=1e-12)


def step_of(ops, widths, *, sparse):
    """Record a step of an autoencoder of these widths.

    Return it, its clock, its batch and its parameters: 3500 of weights, not all used, and biases.
    """
    (recorder,) = ops.recorders(1, lambda: None)
    own, random = recorder.ops, np.random.default_rng(0)
    flat = [random.random(4000).astype(np.float32) for _ in range(4)]
    shapes = list(pairwise(widths))
    ends = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
    weights, slopes = (
        [
            vector[slice(*place)].reshape(shape)
            for place, shape in zip(pairwise(ends), shapes, strict=True)
        ]
        for vector in flat[:2]
    )
    active = [np.ones((ROWS, width), np.float32) for width in widths]
    deltas = [*(np.ones((ROWS, width), np.float32) for width in widths[1:-1]), active[-1]]
    ends = np.cumsum([0, *widths[1:]]) + 3500
    shifts, biases = ([own[slice(*pair)] for pair in pairwise(ends)] for own in flat[:2])
    clock = Clock(np.zeros(4, np.int64), np.ones(1))
    units, slope, totals = np.zeros(CODE), np.zeros(CODE, np.float32), np.zeros(3)
    scaling = Scaling(np.ones(WIDTH, np.float32), np.ones(WIDTH, np.float32), -1, 1)
    rows, source = Rows(np.arange(ROWS), clock, 0, ROWS), active[0].copy()
    own.gather(rows, source, scaling, active[0])
    if sparse:
        own.fill(units, 0.0)
    for index, weight in enumerate(weights):
        own.gemm(active[index], weight, active[index + 1])
        if index < len(weights) - 1:
            own.bias_activation(active[index + 1], shifts[index], "sigmoid")
        if sparse and index == 0:
            own.add_column_sums(active[1], units)
            own.kl_slope(units, ROWS, 0.1, 1.0, "sigmoid", slope, totals[1:2])
    own.output_delta(
        deltas[-1], shifts[-1], active[0], "sigmoid", "sse", ROWS, totals[:1], biases[-1], False
    )
    for index in reversed(range(len(weights) - 1)):
        own.gemm(deltas[index + 1], weights[index + 1], deltas[index], transpose_b=True)
        own.hidden_delta(
            deltas[index], active[index + 1], None, None, 0.0, "relu", biases[index], False
        )
    own.advance(clock, ROWS)
    for index, slope_of_weight in enumerate(slopes):
        own.gemm(active[index], deltas[index], slope_of_weight, True)
    squares = totals[2:] if sparse else None
    own.adam(*flat, clock, 0.1 if sparse else 0.0, 3500, squares, float(ROWS))
    return recorder.take(), clock, active[0], flat[0]


each_step = pytest.mark.parametrize(
    ("widths", "sparse", "launches"),
    [
        ((WIDTH, CODE, WIDTH), False, 8),
        ((WIDTH, CODE, WIDTH), True, 11),
        ((WIDTH, 20, 7, 20, WIDTH), False, 14),
    ],
    ids=["plain", "sparse", "deep"],
)


@each_step
def test_a_step_is_this_few_launches(cuda, widths, sparse, launches):
    program, clock, _, _ = step_of(cuda, widths, sparse=sparse)
    program.replay(1)
    found = cuda.gpu.launched
    assert clock.counters[[START, STEP]].tolist() == [ROWS, 1]
    assert len(found) == launches, found
    products = 3 * (len(widths) - 1) - 1
    assert sum(name.startswith("product") for name in found) == products


@each_step
def test_the_next_rows_are_brought_beside_the_move_of_the_parameters(
    cuda, widths, sparse, launches
):
    program, _, batch, parameters = step_of(cuda, widths, sparse=sparse)
    places = in_branches(program._uses, 2)
    waits = waits_of(places)

    def place_of(written, number):
        start = cuda.gpu.address(written)
        found = [
            place
            for place, own in enumerate(places)
            if start in [first for first, _ in program._uses[own.call].writes]
        ]
        return found[number]

    def done_before(place):
        own = waits[place]
        return own.union(*map(done_before, own))

    moved, brought = place_of(parameters, 0), place_of(batch, 1)
    assert brought >= launches  # of the second step
    assert moved not in done_before(brought)
    assert moved in done_before(place_of(parameters, 1))


def test_work_that_did_not_wait_would_be_seen(cuda, monkeypatch):
    """Where nothing is known to depend on anything, a step leaves other numbers."""

    def left():
        own, (recorder,) = Buffers(), cuda.recorders(1, lambda: None)
        recorder.ops.gemm(own.a, own.square, own.product)
        recorder.ops.bias_activation(own.product, own.a[0], "tanh")
        recorder.ops.axpby(0.5, own.product.reshape(-1), 0.5, own.z.reshape(-1))
        recorder.ops.multiply(own.z, own.z, own.target)
        recorder.take().replay(2)
        return own.target

    expected = left()
    monkeypatch.setattr(Use, "must_follow", lambda own, earlier: False)
    assert not np.array_equal(left(), expected)


def test_programs_share_their_scratch_memory(cuda, monkeypatch):
    (recorder,) = cuda.recorders(1, lambda: None)
    own, allocated = Buffers(), []
    empty = cuda.gpu.empty
    monkeypatch.setattr(cuda.gpu, "empty", lambda *of: allocated.append(of) or empty(*of))
    for _ in range(5):
        recorder.ops.add_column_sums(own.a, own.sums)
        recorder.ops.add_column_sums(own.z, own.sums)
        recorder.take().replay(1)
    assert len(allocated) <= 2


def test_a_program_keeps_memory_of_which_it_has_the_address_only(cuda):
    (recorder,) = cuda.recorders(1, lambda: None)
    sums, a = [np.zeros(WIDTH), np.zeros(WIDTH)], np.ones((ROWS, WIDTH))
    kept = [weakref.ref(own) for own in sums]
    for own in sums:
        recorder.ops.add_column_sums(a, own)
    program = recorder.take()
    del sums, own
    gc.collect()
    program.replay(1)
    assert [own().sum() for own in kept] == [ROWS * WIDTH] * 2


def test_adam_finds_its_corrections_where_the_clock_left_them_or_computes_them(cuda):
    """The same bits after steps in programs, after one by one, and from a clock that was set."""
    left = []
    for steps in ((1, 1, 1, 1), (4,), (2, 2)):
        w, g, first, second = np.random.default_rng(3).random((4, 50)).astype(np.float32)
        clock = Clock(np.zeros(4, np.int64), np.full(1, 0.01))
        for count in steps:
            (recorder,) = cuda.recorders(1, lambda: None)  # which knows of no steps before
            recorder.ops.advance(clock, 8)
            recorder.ops.adam(w, g, first, second, clock)
            recorder.take().replay(count)
        left.append(w)
    np.testing.assert_array_equal(left[0], left[1])
    np.testing.assert_array_equal(left[0], left[2])


def test_adam_takes_the_corrections_of_its_step_from_the_clock(cuda):
    (recorder,) = cuda.recorders(1, lambda: None)
    memory = np.zeros(8)
    left = recorder._scratch[CORRECTIONS] = memory[:3]
    w, g, first, second = np.random.default_rng(3).random((4, 50))
    clock = Clock(np.zeros(4, np.int64), np.full(1, 0.01))
    recorder.ops.advance(clock, 8)
    advance = recorder.take()
    recorder.ops.adam(w, g, first, second, clock)
    adam = recorder.take()
    advance.replay(4)
    np.testing.assert_allclose(left, [4, 1 - 0.9**4, 1 - 0.999**4], rtol=1e-14)
    left[1:] = 1
    before = w.copy()
    adam.replay(1)
    np.testing.assert_allclose(w, before - 0.01 * first / (np.sqrt(second) + 1e-8), rtol=1e-12)
    assert left[0] == 4
    assert not memory[3:].any()


def test_corrections_of_another_step_are_not_taken(cuda):
    (recorder,) = cuda.recorders(1, lambda: None)
    vectors = np.random.default_rng(3).random((4, 50))
    clock = Clock(np.zeros(4, np.int64), np.full(1, 0.01))
    recorder.ops.advance(clock, 8)
    recorder.take().replay(3)
    recorder.ops.adam(*vectors, clock)
    program = recorder.take()
    clock.counters[STEP] = 100
    expected = vectors.copy()
    cuda.adam(*expected, clock)
    program.replay(1)
    np.testing.assert_array_equal(vectors, expected)


def test_a_code_with_many_partial_sums_is_added_up_by_many_blocks(cuda, monkeypatch):
    monkeypatch.setattr("gpuae.backends.cupy_ops.MOST_IN_ONE_BLOCK", 3 * WIDTH - 1)
    (recorder,) = cuda.recorders(1, lambda: None)
    own = Buffers()
    recorder.ops.add_column_sums(own.a, own.sums)
    recorder.ops.kl_slope(own.sums, 50, 0.1, 1.0, "sigmoid", own.slope, own.totals[:1])
    recorder.take().replay(1)
    assert cuda.gpu.launched == ["column_sums", "finish_columns", "kl_slope"]


@pytest.mark.parametrize("count", [0, 1, 1024, 1025, 1 << 20, (1 << 20) + 1, 10**9])
def test_tiles_of_an_optimizers_step_are_whole_and_not_too_many(count):
    tile = moved_tile(count)
    assert tile % 1024 == 0
    assert -(-count // tile) <= 1024


def test_arrays_overlap_where_they_share_bytes(cuda):
    x = np.zeros((6, 8))
    assert overlap(cuda.gpu, x[:2], x[1:3])
    assert not overlap(cuda.gpu, x[:2], x[2:])
    assert overlap(cuda.gpu, x[:, :3], x[5, 2:3])
    assert not overlap(cuda.gpu, x[:3, :3], x[2, 3:])
    assert not overlap(cuda.gpu, x[:0], x)


def test_works_say_what_they_write():
    x, y = np.zeros(3), np.zeros(3)
    assert [id(own) for own in Columns(x, 1, 3, y, False).writes] == [id(y)]
    assert [own.base is y for own in Total(x, 1.0, y[:1], True).writes] == [True]
    assert [id(own) for own in Advance(x, 1, y).writes] == [id(x), id(y)]
