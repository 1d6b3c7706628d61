"""What is written down is what is done: recorded operations, on every backend of the CPU."""

import gc
import threading

import numpy as np
import pytest
from pairwise import pairwise

from gpuae.backends.ops import START, STEP, Corruption, Scaling
from gpuae.functions import activations

ACTIVATIONS = list(activations.ACTIVATIONS)


def recorder_of(ops):
    return ops.recorders(1, lambda: None)[0]


def test_nothing_happens_before_the_replay(ops):
    recorder, x = recorder_of(ops), np.zeros(3)
    recorder.ops.fill(x, 2.0)
    program = recorder.take()
    assert not x.any()
    program.replay(1)
    assert x.tolist() == [2, 2, 2]


def test_calls_come_in_their_order_as_often_as_asked(ops, rows_at):
    recorder = recorder_of(ops)
    x, y, clock = np.ones(3), np.zeros(3), rows_at([0]).clock
    recorder.ops.axpby(1.0, x, 1.0, y)
    recorder.ops.axpby(2.0, y, 0.0, x)
    recorder.ops.advance(clock, 5)
    recorder.take().replay(3)
    assert y.tolist() == [1 + 2 + 6] * 3
    assert x.tolist() == [18] * 3
    assert clock.counters[[START, STEP]].tolist() == [15, 3]


def test_what_was_taken_is_not_taken_again(ops):
    recorder, x = recorder_of(ops), np.zeros(1)
    recorder.ops.axpby(1.0, np.ones(1), 1.0, x)
    recorder.take()
    recorder.take().replay(4)
    assert x[0] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_has_a_program_of_its_own(ops, activation, dtype):
    random = np.random.default_rng(0)
    z, bias = random.standard_normal((5, 7)).astype(dtype), random.random(7).astype(dtype)
    recorded, called = z.copy(), z.copy()
    recorder = recorder_of(ops)
    recorder.ops.bias_activation(recorded, bias, activation)
    recorder.take().replay(1)
    ops.bias_activation(called, bias, activation)
    np.testing.assert_array_equal(recorded, called)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_is_recorded_with_and_without_a_target(ops, dtype):
    z, target = np.random.default_rng(0).random((2, 5, 7)).astype(dtype)
    bias = z[0].copy()
    left = []
    for recorded in (True, False):
        recorder = recorder_of(ops)
        given = recorder.ops if recorded else ops
        alone, forward, delta = z.copy(), z.copy(), z.copy()
        total, sums = np.ones(1), np.ones(7, dtype)
        given.softmax(alone, bias)
        given.softmax_loss(forward, bias, target, total)
        given.softmax_delta(delta, bias, target, 5, total, sums, True)
        recorder.take().replay(1)
        left.append((alone, forward, delta, total, sums))
    for one, other in zip(*left, strict=True):
        np.testing.assert_array_equal(one, other)


@pairwise(
    dtype=["float32", "float64"],
    kind=["gaussian", "clipped_gaussian", "masking", "salt_pepper"],
    source=["uint8", "int64", "float32", "float64"],
)
def test_tuples_numbers_and_rows_that_may_not_be_written(ops, rows_at, kind, source, dtype):
    random = np.random.default_rng(1)
    x = (100 * random.random((9, 6))).astype(source)
    x.flags.writeable = False
    number = np.result_type(source, dtype)
    scaling = Scaling(np.full(6, 3, number), np.full(6, 0.01, number), 0.1, 0.7)
    noise = Corruption(kind, 0.3, 2**40 + 1, np.zeros(6, dtype), np.ones(6, dtype))
    rows = rows_at([8, 1, 4, 4, 0], start=1, epoch=2, row_base=30)
    clean, noisy, clean_called, noisy_called = np.full((4, 4, 6), np.nan, dtype)
    recorder = recorder_of(ops)
    recorder.ops.gather_corrupt(rows, x, scaling, noise, clean, noisy)
    recorder.take().replay(1)
    ops.gather_corrupt(rows, x, scaling, noise, clean_called, noisy_called)
    np.testing.assert_array_equal(clean, clean_called)
    np.testing.assert_array_equal(noisy, noisy_called)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("l1", [0.0, 0.5])
def test_arguments_that_may_be_none(ops, mask, slope, l1):
    random = np.random.default_rng(2)
    delta, a, masks = random.random((3, 4, 5)).astype(np.float32)
    results = []
    for recorded in (True, False):
        own, sums = delta.copy(), np.ones(5, np.float32)
        recorder = recorder_of(ops)
        given = recorder.ops if recorded else ops
        given.hidden_delta(
            own, a, masks if mask else None, a[0] if slope else None, l1, "sigmoid", sums, True
        )
        recorder.take().replay(1)
        results.append((own, sums))
    for recorded, called in zip(*results, strict=True):
        np.testing.assert_array_equal(recorded, called)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_takes_some_columns_of_a_matrix(ops, dtype):
    random = np.random.default_rng(3)
    a = random.integers(-4, 5, (6, 9)).astype(dtype)
    b = random.integers(-4, 5, (6, 5)).astype(dtype)
    for low, high in ((0, 9), (2, 7), (8, 9), (4, 4)):
        out = np.full((high - low, 5), np.nan, dtype)
        recorder = recorder_of(ops)
        recorder.ops.gemm(a[:, low:high], b, out, transpose_a=True)
        recorder.take().replay(1)
        np.testing.assert_array_equal(out, a[:, low:high].T @ b)


def test_a_program_keeps_what_it_works_on(ops):
    recorder, y = recorder_of(ops), np.zeros(10_000)
    recorder.ops.axpby(1.0, np.arange(10_000.0), 1.0, y)
    program = recorder.take()
    del recorder
    gc.collect()
    litter = [np.full(10_000, np.nan) for _ in range(20)]
    program.replay(2)
    del litter
    np.testing.assert_array_equal(y, 2 * np.arange(10_000.0))


@pytest.mark.parametrize("device", ["numpy", "cpu"], indirect=True)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_threads_that_meet_see_what_the_others_did_before(ops, size):
    """Each adds up everybody's turns, so anybody who is early or late spoils an exact sum."""
    times = 300
    barrier = threading.Barrier(size)
    turns, sums = np.zeros((size, 1)), np.zeros((size, 1))
    programs = []
    one = np.ones(1)
    for own, recorder in enumerate(ops.recorders(size, barrier.wait)):
        recorder.ops.axpby(1.0, one, 1.0, turns[own])
        recorder.barrier()
        for other in range(size):
            recorder.ops.axpby(1.0, turns[other], 1.0, sums[own])
        recorder.barrier()
        programs.append(recorder.take())
    threads = [
        threading.Thread(target=program.replay, args=(times,), daemon=True) for program in programs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert turns.ravel().tolist() == [times] * size
    assert sums.ravel().tolist() == [size * times * (times + 1) / 2] * size


def test_compiled_entries_are_found_again_by_another_process(run_python, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    program = (
        "import numpy as np\n"
        "from gpuae.backends.numba_ops import NumbaOps\n"
        "recorder = NumbaOps().recorders(1, None)[0]\n"
        "z = np.ones((2, 3), np.float32)\n"
        "recorder.ops.bias_activation(z, z[0].copy(), 'tanh')\n"
        "recorder.take().replay(1)\n"
    )
    run_python(program)
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert any("entry" in path.name for path in compiled)
    run_python(program)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == compiled


def test_a_program_is_compiled_when_it_is_written_not_when_it_is_replayed(ops, monkeypatch):
    """Compiling may fail, and a thread that others wait for must not."""
    recorder, x = recorder_of(ops), np.zeros(3)
    recorder.ops.fill(x, 1.0)
    program = recorder.take()
    monkeypatch.setattr("numba.core.dispatcher.Dispatcher.compile", None)
    monkeypatch.setattr("numba.core.ccallback.CFunc.compile", None)
    program.replay(1)
    assert x.all()


def test_a_product_of_every_second_column_is_refused():
    from gpuae.backends.numba_ops import NumbaOps

    with pytest.raises(ValueError, match="contiguous"):
        NumbaOps().gemm(np.ones((2, 4))[:, ::2], np.ones((2, 2)), np.ones((2, 2)))
