"""Small products of our own kernels, alone and with what is done to them at once."""

import itertools

import numpy as np
import pytest
from pairwise import pairwise

from gpuae.backends.cuda_products import LARGEST, MOST_SPLITS, TILES, small_product
from gpuae.backends.cupy_ops import CupyOps
from gpuae.backends.numpy_ops import NumpyOps
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES

OUTPUTS = [
    (activation, loss)
    for activation, loss in itertools.product(ACTIVATIONS, LOSSES)
    if LOSSES[loss].takes(activation) and not LOSSES[loss].compiled_row
]
SIZES = [(1, 1, 1), (3, 5, 7), (33, 65, 34), (40, 68, 200), (7, 3, 520), (130, 36, 96)]
"""Rows, columns and the inner dimension: single, odd, beyond a tile, for several blocks."""
WAYS = [(3, 0), (1, 1), (2, 7)]
"""Blocks, and the order of threads and blocks."""


@pytest.fixture
def gpus(kernel_libraries):
    """The operations, run by few blocks in several orders."""
    from host_gpu import HostGpu

    return [CupyOps(HostGpu(kernel_libraries, blocks=blocks, order=own)) for blocks, own in WAYS]


@pytest.fixture(
    params=["Wide", pytest.param("Narrow", marks=pytest.mark.long), None],
    ids=lambda own: own or "as chosen",
)
def shape(request, monkeypatch):
    """Each shape of a tile, whatever would be chosen."""
    if request.param:
        most = LARGEST if request.param == "Narrow" else -1
        monkeypatch.setattr("gpuae.backends.cuda_products.LARGEST_OF_NARROW", most)
    return request.param


def recorded(ops, call, arrays, repeats=1):
    """Return what a program of calls leaves in copies of the arrays, and what it launched."""
    own = {name: array.copy() for name, array in arrays.items()}
    (recorder,) = ops.recorders(1, lambda: None)
    call(recorder.ops, **own)
    program = recorder.take()
    before = len(ops.gpu.launched)
    program.replay(repeats)
    return own, ops.gpu.launched[before:]


def check(gpus, call, launched, arrays, tolerance=2e-6):
    """A program leaves what NumpyOps does, in one launch and the same bits in all orders."""
    expected = {name: array.copy() for name, array in arrays.items()}
    call(NumpyOps(), **expected)
    left = [recorded(ops, call, arrays) for ops in gpus]
    for _, names in left:
        assert names[0] == launched
        assert all(name.startswith("finish") for name in names[1:])
    for name, want in expected.items():
        got = left[0][0][name]
        error = np.linalg.norm((got.astype(float) - want).ravel())
        assert error <= tolerance * max(np.linalg.norm(want.ravel()), 1e-12), name
        for other, _ in left[1:]:
            np.testing.assert_array_equal(other[name], got, f"{name} depends on order or blocks")


def factors(sizes, flags, seed=0):
    m, n, k = sizes
    random = np.random.default_rng(seed)
    a = random.standard_normal((k, m) if flags[0] else (m, k)) / np.sqrt(k)
    b = random.standard_normal((n, k) if flags[1] else (k, n))
    return {"a": a.astype(np.float32), "b": b.astype(np.float32)}


def matrix(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


each_flags = list(itertools.product([False, True], repeat=2))


@pairwise(sizes=SIZES, flags=each_flags, accumulate=[False, True])
def test_a_product(gpus, shape, sizes, flags, accumulate):
    arrays = factors(sizes, flags) | {"out": matrix(*sizes[:2])}
    check(
        gpus,
        lambda ops, a, b, out: ops.gemm(a, b, out, *flags, accumulate),
        "product",
        arrays,
    )


@pairwise(sizes=SIZES, flags=each_flags, f=list(ACTIVATIONS), kept=[False, True])
def test_bias_and_activation_of_a_product(gpus, shape, sizes, flags, f, kept):
    arrays = factors(sizes, flags) | {"z": matrix(*sizes[:2]), "bias": matrix(sizes[1], seed=2)}
    if kept:
        arrays["preactivation"] = matrix(*sizes[:2])

    def call(ops, a, b, z, bias, preactivation=None):
        ops.gemm(a, b, z, *flags)
        ops.bias_activation(z, bias, f, preactivation)

    check(gpus, call, "product_activation", arrays)


@pairwise(sizes=SIZES, flags=each_flags, output=OUTPUTS, weighted=[False, True])
def test_the_output_delta_of_a_product(gpus, shape, sizes, flags, output, weighted):
    rows, columns, _ = sizes
    target = np.abs(matrix(rows, columns, seed=3)) % 1
    arrays = factors(sizes, flags) | {"z": matrix(rows, columns), "target": target}
    arrays |= {"bias": matrix(columns, seed=2), "bias_gradient": matrix(columns, seed=4)}
    arrays |= {"total": np.ones(1)}
    if weighted:
        arrays["weights"] = np.abs(matrix(rows, 1, seed=5))

    def call(ops, a, b, z, target, bias, bias_gradient, total, weights=None):
        ops.gemm(a, b, z, *flags)
        own = (bias, target, *output, 7, total, bias_gradient, True, 0.4, weights)
        ops.output_delta(z, *own)

    check(gpus, call, "product_output_delta", arrays, 1e-5)


@pairwise(
    sizes=SIZES,
    flags=each_flags,
    f=list(ACTIVATIONS),
    masked=[False, True],
    slope=[False, True],
    l1=[0.0, 0.3],
    weighted=[False, True],
)
def test_the_hidden_delta_of_a_product(gpus, shape, sizes, flags, f, masked, slope, l1, weighted):
    rows, columns, _ = sizes
    z = matrix(rows, columns, seed=6)
    arrays = factors(sizes, flags) | {"delta": matrix(rows, columns), "z": z}
    arrays |= {"active": ACTIVATIONS[f].value(z), "bias_gradient": matrix(columns, seed=4)}
    if masked:
        arrays["mask"] = (matrix(rows, columns, seed=7) > 0) * np.float32(1.25)
    if slope:
        arrays["slope"] = matrix(columns, seed=8)
    if weighted:
        arrays["weights"] = np.abs(matrix(rows, 1, seed=5))

    def call(ops, a, b, delta, z, active, bias_gradient, mask=None, slope=None, weights=None):
        ops.gemm(a, b, delta, *flags)
        own = (active, mask, slope, l1, f, bias_gradient, True, z, weights)
        ops.hidden_delta(delta, *own)

    check(gpus, call, "product_hidden_delta", arrays, 1e-5)


def test_blocks_that_share_a_tile_leave_their_counters_as_they_were(gpus):
    arrays = factors((7, 3, 520), (False, False)) | {"out": matrix(7, 3)}
    for ops in gpus:
        once, thrice = (
            recorded(ops, lambda own, a, b, out: own.gemm(a, b, out), arrays, repeats)[0]["out"]
            for repeats in (1, 3)
        )
        np.testing.assert_array_equal(once, thrice)


def test_a_product_is_made_before_it_is_used_by_anything_else(gpus):
    arrays = factors((5, 6, 7), (False, False)) | {"z": matrix(5, 6), "out": matrix(5, 6)}

    def call(ops, a, b, z, out):
        ops.gemm(a, b, z)
        ops.multiply(z, z, out)

    _, launched = recorded(gpus[0], call, arrays)
    assert launched == ["product", "multiply"]


def test_the_product_of_another_matrix_is_left_alone(gpus):
    arrays = factors((5, 6, 7), (False, False)) | {"z": matrix(5, 6), "out": matrix(5, 6)}

    def call(ops, a, b, z, out):
        ops.gemm(a, b, z)
        ops.bias_activation(out, out[0].copy(), "tanh")

    _, launched = recorded(gpus[0], call, arrays)
    assert sorted(launched) == ["bias_activation", "product"]


def test_large_and_other_products_are_left_to_cublas():
    def chosen(m, n, k, dtype="float32"):
        a, b, out = (np.broadcast_to(np.zeros((), dtype), own) for own in ((m, k), (k, n), (m, n)))
        whole = [np.empty(own.shape, dtype) for own in (a, b, out)]
        return small_product(*whole, False, False)

    assert chosen(256, 200, 784) is not None
    assert chosen(256, 1000, 784) is None
    assert chosen(8, 8, 8, "float64") is None
    assert chosen(8, 8, 512 * MOST_SPLITS) is not None
    assert chosen(8, 8, 512 * MOST_SPLITS + 1) is None
    a = np.zeros((8, 16), np.float32)
    assert small_product(a[:, :8], a[:, :8], np.zeros((8, 8), np.float32), False, False) is None


@pytest.mark.parametrize(
    ("sizes", "shape", "splits"),
    [
        ((256, 200, 784), "Wide", 4),
        ((784, 200, 256), "Wide", 1),
        ((256, 32, 128), "Narrow", 2),
        ((32, 25, 64), "Narrow", 1),
        ((8, 8, 4096), "Narrow", 8),
    ],
)
def test_how_a_product_is_shared_out_depends_on_its_shape(sizes, shape, splits):
    m, n, k = sizes
    a, b, out = (np.zeros(own, np.float32) for own in ((m, k), (k, n), (m, n)))
    own = small_product(a, b, out, False, False)
    assert (own.shape, own.splits) == (shape, splits)
    assert own.partials == (0 if splits == 1 else own.tiles * splits * np.prod(TILES[shape]))
