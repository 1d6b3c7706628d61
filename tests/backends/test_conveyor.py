"""Blocks of rows through a GPU come out as they do one by one, in order, whatever happens."""

import signal
import sys

import fake_cupy
import numpy as np
import pytest

from gpuae import conveyor, encoding
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.training.fitting import fit

BLOCK = 32
GPU = Machine("cuda")
late = pytest.mark.parametrize("cupy", ["late"], indirect=True)
"""Where the order of the streams changes nothing."""
EAGER = {"late": (), "main first": (0,), "copies first": (2,), "results first": (3,)}
FUNCTIONS = {"encode": 3, "reconstruct": 7, "score": None}


@pytest.fixture(params=list(EAGER))
def cupy(request, monkeypatch, kernel_libraries):
    """A CuPy whose streams run as late as they may, or one of them as early; small blocks."""
    fake_cupy.install(monkeypatch, kernel_libraries, EAGER[request.param])
    monkeypatch.setattr(conveyor, "FEWEST_ROWS", BLOCK)
    monkeypatch.setattr(conveyor, "MOST_ROWS", BLOCK)
    monkeypatch.setattr(encoding, "GPU_BLOCK_ROWS", BLOCK)
    yield fake_cupy
    sys.modules.pop("gpuae.backends.cupy_gpu", None)


def model_of(x, **settings):
    return fit(x, Config.parse({"hidden": (5, 3), "epochs": 0, "device": "cpu", **settings})).model


def run(function, model, rows, machine=GPU, **options):
    """Return what a function of `encoding` hands over, in one array."""
    columns = FUNCTIONS[function]
    out = np.full((len(rows), columns) if columns else len(rows), np.nan)
    getattr(encoding, function)(model, rows, encoding.into(out), machine=machine, **options)
    return out


def one_by_one(function, model, x):
    """Return what comes of blocks that wait for each other."""
    out = []

    def work(buffers, first, rows):
        tile = buffers.load(rows)
        if function == "encode":
            buffers.propagation.encode(tile, None, None)
            out.append(buffers.ops.to_host(tile.outputs[1]))
            return
        rebuilt = buffers.rebuild(tile)
        if function == "reconstruct":
            out.append(buffers.restore(tile, rebuilt, rows))
            return
        errors = buffers.errors[: len(rows)]
        buffers.ops.row_errors(rebuilt, tile.clean, errors)
        out.append(buffers.ops.to_host(errors))

    encoding.for_each_block(model, x, work, GPU)
    return np.concatenate(out)


@pytest.mark.parametrize("function", list(FUNCTIONS))
@pytest.mark.parametrize("rows", [1, BLOCK, 3 * BLOCK, 7 * BLOCK + 5])
def test_blocks_side_by_side_have_the_bits_of_blocks_one_by_one(cupy, low_rank, function, rows):
    x = low_rank(rows, 7).astype(np.float32)
    model = model_of(low_rank(60, 7).astype(np.float32))
    with cupy.nothing_left():
        ours = run(function, model, x)
    np.testing.assert_array_equal(ours, one_by_one(function, model, x))
    np.testing.assert_allclose(ours, run(function, model, x, Machine("cpu")), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bool", ">f4", "float64"])
@pytest.mark.parametrize("pinned", [False, True])
def test_rows_of_every_type_pass_wherever_they_are(cupy, low_rank, dtype, pinned):
    values = np.abs(90 * low_rank(3 * BLOCK + 1, 7)).astype(dtype)
    x = values
    if pinned:
        x = fake_cupy.Pinned.empty(values.shape, values.dtype)
        x[...] = values
    model = model_of(values.astype(np.float32))
    expected = one_by_one("encode", model, values)
    with cupy.nothing_left():
        np.testing.assert_array_equal(run("encode", model, x), expected)
        columns = np.asfortranarray(values)
        np.testing.assert_array_equal(run("encode", model, columns), expected)


@late
def test_pinned_rows_are_copied_from_where_they_are(cupy, low_rank):
    x = low_rank(4 * BLOCK, 7).astype(np.float32)
    model = model_of(x)
    pinned = cupy.Pinned.empty(x.shape, x.dtype)
    pinned[...] = x
    sizes = []
    for rows in (x, pinned):
        before = len(cupy.Pinned.all)
        run("encode", model, rows)
        sizes.append([own.shape for own in cupy.Pinned.all[before:]])
    assert sizes[0].count((BLOCK, 7)) == conveyor.SLOTS
    assert (BLOCK, 7) not in sizes[1]


@late
def test_a_block_is_one_launch(cupy, low_rank):
    x = low_rank(9 * BLOCK + 1, 7).astype(np.float32)
    model = model_of(x)
    cupy.Graph.launched.clear()
    run("encode", model, x)
    nodes = cupy.Graph.launched[0]
    assert cupy.Graph.launched == [nodes] * 10


def test_blocks_arrive_whole_and_in_order_and_are_the_sinks_own(cupy, low_rank):
    x = low_rank(5 * BLOCK + 3, 7).astype(np.float32)
    model = model_of(x)
    arrived = []
    encoding.encode(model, x, lambda first, codes: arrived.append((first, codes)), machine=GPU)
    assert [first for first, _ in arrived] == [BLOCK * block for block in range(6)]
    together = np.concatenate([codes for _, codes in arrived])
    np.testing.assert_array_equal(together, one_by_one("encode", model, x))


@pytest.mark.parametrize("start", [0, 1, BLOCK, 2 * BLOCK + 7, 5 * BLOCK + 2])
def test_what_starts_in_the_middle_has_the_same_bits(cupy, low_rank, start):
    x = low_rank(5 * BLOCK + 3, 7).astype(np.float32)
    model = model_of(x)
    first = start - start % BLOCK
    ours = run("encode", model, x, start=start)
    assert np.isnan(ours[:first]).all()
    np.testing.assert_array_equal(ours[first:], run("encode", model, x)[first:])


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_what_a_sink_raises_ends_the_work_and_leaves_nothing_behind(cupy, low_rank, failure):
    x = low_rank(8 * BLOCK, 7).astype(np.float32)
    model = model_of(x)
    arrived = []

    def full(first, codes):
        arrived.append(first)
        if len(arrived) == 3:
            raise failure("no space left")

    with cupy.nothing_left(), pytest.raises(failure):
        encoding.encode(model, x, full, machine=GPU)
    assert arrived == [0, BLOCK, 2 * BLOCK]
    np.testing.assert_array_equal(run("encode", model, x), one_by_one("encode", model, x))


@late
def test_ctrl_c_between_blocks_ends_the_work_after_the_block(cupy, low_rank):
    x = low_rank(8 * BLOCK, 7).astype(np.float32)
    model = model_of(x)
    arrived = []

    def interrupted(first, codes):
        arrived.append(first)
        if first == BLOCK:
            signal.raise_signal(signal.SIGINT)

    with cupy.nothing_left(), pytest.raises(KeyboardInterrupt):
        encoding.encode(model, x, interrupted, machine=GPU)
    assert arrived == [0, BLOCK]


def test_rows_are_their_owners_again_once_they_were_encoded(cupy, low_rank):
    x = low_rank(5 * BLOCK, 7).astype(np.float32)
    model = model_of(x)
    expected = run("encode", model, x)
    codes = []
    encoding.encode(model, x, lambda _, own: codes.append(own), machine=GPU)
    x[...] = 0
    np.testing.assert_array_equal(np.concatenate(codes), expected)


class Lazy:
    """Rows that are read in parts."""

    rows_per_chunk = 1

    def __init__(self, x):
        self._x, self.shape, self.dtype = x, x.shape, x.dtype

    def __len__(self):
        return len(self._x)

    def __getitem__(self, rows):
        return self._x[rows].copy()


def test_rows_that_are_read_in_parts_have_the_same_bits(cupy, low_rank, monkeypatch):
    x = low_rank(7 * BLOCK + 5, 7).astype(np.float32)
    model = model_of(x)
    expected = run("encode", model, x)
    monkeypatch.setattr("gpuae.storage.rows.row_blocks.BLOCK_BYTES", 2 * BLOCK * 28)
    with cupy.nothing_left():
        np.testing.assert_array_equal(run("encode", model, Lazy(x)), expected)


@late
def test_counts_below_0_are_refused_after_the_blocks_before_them(cupy, low_rank):
    x = np.abs(low_rank(5 * BLOCK, 7)).astype(np.float32)
    model = model_of(x, scale="log1p")
    x[3 * BLOCK, 2] = -1
    arrived = []
    with cupy.nothing_left(), pytest.raises(InputError, match=r"column 3 .* the value -1"):
        encoding.encode(model, x, lambda first, _: arrived.append(first), machine=GPU)
    assert arrived == [0, BLOCK, 2 * BLOCK]


@late
def test_rows_unlike_those_of_training_are_remarked(cupy, low_rank):
    x = low_rank(5 * BLOCK, 7).astype(np.float32)
    said = []
    run("encode", model_of(x), x + 1000, note=said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("row_bytes", "rows"), [(1, 1 << 16), (3136, 4096), (6272, 2048), (80_000, 256), (1 << 30, 256)]
)
def test_a_block_takes_so_many_bytes(row_bytes, rows):
    assert conveyor.block_rows(row_bytes) == rows
