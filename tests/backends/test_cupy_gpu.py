"""CuPy is asked for what CUDA allows, in an order in which nothing is read too early or late."""

import sys
from dataclasses import replace
from importlib import import_module

import fake_cupy
import numpy as np
import pytest
from on_gpu import OnGpu
from pairwise import pairwise

from gpuae.backends import Device, computed_by, get_ops
from gpuae.backends.cuda_order import in_branches
from gpuae.backends.ops import Clock, Rows, Scaling
from gpuae.config import Config
from gpuae.encoding import encode, into
from gpuae.errors import DeviceError
from gpuae.machine import Machine
from gpuae.training import gpu_team, loader
from gpuae.training.fitting import fit

MAIN, SIDE, COPIES, RESULTS = range(4)
SETTINGS = {"hidden": (6, 3), "batch_size": 32, "epochs": 3, "device": "cuda"}
KINDS = [
    {"sparsity": "kl", "beta": 0.5, "weight_decay": 1e-3},
    {"decoder": "tied", "noise": "masking", "noise_level": 0.3, "dropout": 0.2},
    {"optimizer": "lbfgs", "batch_size": None, "sparsity": "kl", "beta": 0.5},
    {"dtype": "float64", "sparsity": "kl", "beta": 0.5},
]


EAGER = {
    "late": (),
    "main first": (MAIN,),
    "side first": (SIDE,),
    "copies first": (COPIES,),
    "results first": (RESULTS,),
}


@pytest.fixture(params=list(EAGER))
def cupy(request, monkeypatch, kernel_libraries):
    """A CuPy whose streams run as late as they may, or one of them as early."""
    fake_cupy.install(monkeypatch, kernel_libraries, EAGER[request.param])
    yield fake_cupy
    sys.modules.pop("gpuae.backends.cupy_gpu", None)


def stand_in(libraries, monkeypatch):
    """What the same is on the CPU without streams."""
    from host_gpu import HostGpu

    monkeypatch.setattr(
        "gpuae.backends.cupy_gpu.open_gpu",
        lambda index, *, precision: HostGpu(libraries, precision=precision),
    )


def streamed(monkeypatch):
    monkeypatch.setattr(gpu_team, "EVALUATION_ROWS", 32)
    monkeypatch.setattr(gpu_team, "BLOCK_ROWS", 48)
    monkeypatch.setattr(loader, "SLOT_BYTES", 1)
    monkeypatch.setattr("gpuae.backends.cupy_ops.CupyOps.holds", lambda *_: False)


@pairwise(cupy=list(EAGER), settings=KINDS, slots=[None, 2, 3, 4], indirect=["cupy"])
def test_a_fit_is_what_it_is_without_streams(
    cupy, low_rank, monkeypatch, kernel_libraries, settings, slots
):
    x = low_rank(150, 7).astype(np.float32)
    config = Config.parse(SETTINGS | settings)
    if slots:
        streamed(monkeypatch)
        monkeypatch.setattr(loader, "SLOTS", slots)
    with cupy.nothing_left():
        ours = fit(x, config)
    stand_in(kernel_libraries, monkeypatch)
    expected = fit(x, config)
    np.testing.assert_array_equal(ours.model.parameters, expected.model.parameters)


def test_codes_are_what_they_are_without_streams(cupy, low_rank, monkeypatch, kernel_libraries):
    x = low_rank(150, 7).astype(np.float32)
    codes = np.zeros((2, 150, 3), np.float32)
    model = fit(x, Config.parse(SETTINGS | {"epochs": 0})).model
    encode(model, x, into(codes[0]), machine=Machine("cuda"))
    stand_in(kernel_libraries, monkeypatch)
    encode(model, x, into(codes[1]), machine=Machine("cuda"))
    np.testing.assert_array_equal(*codes)


def test_another_gpu_is_used_alone(cupy, monkeypatch, low_rank):
    monkeypatch.setattr(cupy.Device, "wanted", 3)
    x = low_rank(60, 5)
    config = Config.parse(SETTINGS | {"device": "cuda:3"})
    with cupy.nothing_left():
        made = fit(x, config).model.attributes
    assert (made["device"], made["gpu"]) == ("cuda:3", "NVIDIA 3, cuBLAS 13.1.2")


def test_a_full_device_is_said_with_what_to_lower(cupy):
    ops = get_ops(Device("cuda:0", ""))
    cupy.Array.room = 1 << 30
    says = r"device=cuda:0 is full: 2 GiB more .* 0.75 GiB are free; lower batch_size or hidden"
    with pytest.raises(DeviceError, match=says):
        ops.empty((1 << 29,), "float32")


def test_a_branch_that_is_not_waited_for_is_refused(cupy):
    main, side = (cupy.Stream(non_blocking=True) for _ in range(2))
    event = cupy.Event()
    main.begin_capture()
    main.put(lambda: None)
    event.record(main)
    side.wait_event(event)
    side.put(lambda: None)
    with pytest.raises(AssertionError, match="not waited for"):
        main.end_capture()


def without_wait(left_out):
    """Return `in_branches` that forgets one of the waits of a program, by its number."""

    def forgetful(uses, times):
        places = in_branches(uses, times)
        waiting = [number for number, place in enumerate(places) if place.waits]
        for number in waiting[left_out : left_out + 1]:
            places[number] = replace(places[number], waits=())
        return places

    return forgetful


@pytest.mark.long
def test_a_wait_that_is_missing_is_noticed(low_rank, monkeypatch, kernel_libraries):
    """With one branch or the other as early as may be, the first steps end in other weights."""
    x = low_rank(64, 7).astype(np.float32)
    config = Config.parse(SETTINGS | KINDS[0] | {"epochs": 1, "validation": 0.0, "init": "he"})

    def weights(left_out, eager):
        with monkeypatch.context() as own:
            fake_cupy.install(own, kernel_libraries, eager)
            module = import_module("gpuae.backends.cupy_gpu")  # anew, and with this CuPy
            own.setattr(module, "in_branches", without_wait(left_out))
            found = fit(x, config).model.parameters
        sys.modules.pop("gpuae.backends.cupy_gpu", None)
        return found

    expected = weights(1000, ())
    for left_out in range(3):
        found = [weights(left_out, eager) for eager in ((), (MAIN,))]
        assert any((own != expected).any() for own in found), left_out


def test_a_kernel_that_does_not_compile_is_said(cupy, monkeypatch):
    ops = get_ops(Device("cuda:0", ""))
    module = sys.modules["gpuae.backends.cupy_gpu"]
    monkeypatch.setattr(module, "unit", lambda *_: "#error no")
    says = r"kernel fill<float> could not be compiled for device=cuda:0: rows.cu\(7\): .*device=cpu"
    with pytest.raises(DeviceError, match=says):
        ops.fill(ops.empty((3,), "float32"), 1.0)


def test_a_failure_of_cublas_is_said(cupy, monkeypatch):
    ops = get_ops(Device("cuda:0", ""))
    monkeypatch.setattr(cupy.Cublas, "cublasDgemm_v2", lambda *_: 14)
    a = ops.empty((2, 2), "float64")
    with pytest.raises(DeviceError, match="cublasDgemm_v2 returned status 14"):
        ops.gemm(a, a, ops.empty((2, 2), "float64"))


def test_what_fails_during_capture_ends_the_capture(cupy, monkeypatch):
    ops = get_ops(Device("cuda:0", ""))
    (recorder,) = ops.recorders(1, lambda: None)
    a, out = ops.asarray(np.ones((2, 2), np.float64)), ops.empty((2, 2), "float64")
    recorder.ops.fill(out, 1.0)
    recorder.ops.gemm(a, a, out)
    calls = iter([0, 14])
    monkeypatch.setattr(cupy.Cublas, "cublasDgemm_v2", lambda *_: next(calls))
    with pytest.raises(DeviceError, match="status 14"):
        recorder.take()
    ops.fill(out, 5.0)
    assert (ops.to_host(out) == 5).all()


def test_rows_that_are_still_read_stay_when_an_order_begins_anew(cupy):
    ops = get_ops(Device("cuda:0", ""))
    x = np.arange(8, dtype=np.float32)[:, None]
    ring, out = ops.gpu.ring(x, 2, 2), ops.empty((2, 1), "float32")
    ring.start(np.array([6, 7, 2, 3]))
    ring.acquire(0)
    ops.multiply(ring.rows[:2], ring.rows[:2], out)
    ring.start(np.array([0, 1]))  # the slot was never released
    ring.acquire(0)
    assert ops.to_host(out).ravel().tolist() == [36, 49]


def steps_of(ops, x):
    """A program of a step that takes the next two rows of x, what it works on, and its nodes."""
    (recorder,) = ops.recorders(1, lambda: None)
    clock = Clock(ops.zeros((4,), "int64"), ops.asarray(np.array([0.01])))
    rows = Rows(ops.asarray(np.arange(len(x))), clock, 0, 2)
    same = Scaling(ops.zeros((3,), "float32"), ops.asarray(np.ones(3, np.float32)), -1, 1)
    batch, vectors = ops.empty((2, 3), "float32"), [ops.zeros((9,), "float32") for _ in range(4)]
    parameters, gradient, first, second = vectors
    own = recorder.ops
    own.gather(rows, ops.asarray(x), same, batch)
    own.gemm(batch, batch, gradient.reshape(3, 3), transpose_a=True, accumulate=True)
    own.advance(clock, 2)
    own.adam(parameters, gradient, first, second, clock, 0.1)
    return recorder.take(), vectors, 4


@pytest.mark.parametrize("times", [1, 16, 64, 191])
def test_steps_in_one_graph_have_the_bits_of_steps_one_by_one(cupy, times):
    ops = get_ops(Device("cuda:0", ""))
    x = np.random.default_rng(0).random((400, 3)).astype(np.float32)
    one_by_one, expected, nodes = steps_of(ops, x)
    for _ in range(times):
        one_by_one.replay(1)
    together, got, _ = steps_of(ops, x)
    cupy.Graph.launched.clear()
    together.replay(times)
    assert cupy.Graph.launched == [64 * nodes] * (times // 64) + [nodes] * (times % 64)
    for own, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ops.to_host(own), ops.to_host(other))
    assert ops.to_host(got[0]).any()


@pytest.mark.parametrize(("nodes", "repeats"), [(1, 64), (20, 51), (500, 16)])
def test_fewer_steps_go_into_a_graph_the_larger_they_are(cupy, nodes, repeats):
    ops = get_ops(Device("cuda:0", ""))
    (recorder,) = ops.recorders(1, lambda: None)
    x = ops.zeros((1,), "float64")
    for _ in range(nodes):
        recorder.ops.axpby(1.0, ops.asarray(np.ones(1)), 1.0, x)
    recorder.take().replay(2 * repeats + 1)
    assert cupy.Graph.launched == [nodes * repeats] * 2 + [nodes]
    assert ops.to_host(x) == nodes * (2 * repeats + 1)


def test_nothing_to_do_is_no_graph(cupy):
    ops = get_ops(Device("cuda:0", ""))
    (recorder,) = ops.recorders(1, lambda: None)
    recorder.take().replay(3)
    assert not cupy.Graph.launched


def test_memory_of_the_host_is_its_owners_again_once_it_was_written(cupy):
    ops = get_ops(Device("cuda:0", ""))
    target, host = ops.zeros((3,), "float32"), np.ones(3, np.float32)
    ops.assign(target, host)
    host[:] = 7
    assert ops.to_host(target).tolist() == [1, 1, 1]


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_product_is_rehearsed_as_far_off_alignment_as_it_is_made(cupy, first):
    ops = get_ops(Device("cuda:0", ""))
    (recorder,) = ops.recorders(1, lambda: None)
    a = ops.asarray(np.arange(20, dtype=np.float64))
    out = ops.zeros((20,), "float64")
    matrix = a[first : first + 16].reshape(4, 4)
    recorder.ops.gemm(matrix[:, 1:3], matrix, out[first : first + 16].reshape(4, 4)[:2], True)
    recorder.take().replay(1)
    host = ops.to_host(a)[first : first + 16].reshape(4, 4)
    assert (ops.to_host(out)[first : first + 8].reshape(2, 4) == host[:, 1:3].T @ host).all()


def test_the_model_of_the_gpu_and_the_version_of_cublas_are_told(cupy):
    assert computed_by(Device("cuda:1", "")) == {
        "device": "cuda:1",
        "gpu": "NVIDIA 1, cuBLAS 13.1.2",
    }
    assert computed_by(Device("cpu", "")) == {"device": "cpu"}


def test_the_tests_of_unaligned_memory_leave_products_out(cupy):
    """cuBLAS promises no equal bits there."""
    ops = OnGpu(get_ops(Device("cuda:0", "")), shift=1)
    a, out = np.ones((4, 4)), np.zeros((4, 4))
    ops.gemm(a, a, out)
    ((*_, of_a, _, of_out),) = cupy.Cublas.loaded
    assert of_a % 16 == of_out % 16 == 0
    assert (out == 4).all()
