"""What only a GPU can show, a line each, and how long a step of each case takes.

    python bench/gpu_probe.py [--device cuda]
    python bench/gpu_probe.py --steps-of CASE        # a few steps and nothing else, for a profiler

Everything is tried even where something fails; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from gpuae.backends import Device, computed_by, get_ops, resolve_device
from gpuae.backends.ops import Array, Ops, Program, Recorder
from gpuae.benchmark.cases import CASES
from gpuae.benchmark.contenders import Job, ours, products

LIMITS = {"float32": 1e-6, "float64": 1e-13}
"""Relative errors that a product may have."""
ROUNDED = {"tf32": 1e-3, "bf16": 1e-2}
"""The same of float32 products whose factors are rounded."""
SEEN = 1e-5
"""With an error below this no factors were rounded."""
STEPS = 20
"""Of a profile."""


class Probe:
    """Checks on one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.ops = get_ops(device)
        self.random = np.random.default_rng(0)

    def recorder(self) -> Recorder:
        """Return what writes a program down."""
        (recorder,) = self.ops.recorders(1, lambda: None)
        return recorder

    def normal(self, *shape: int, dtype: str = "float32") -> np.ndarray:
        """Return normal numbers."""
        return self.random.standard_normal(shape).astype(dtype)

    def wait(self) -> None:
        """Wait for all that was queued."""
        self.ops.to_host(self.ops.zeros((1,), "float32"))

    def a_kernel_compiles_and_runs(self) -> str:
        """Fill a vector; the first kernel also starts the compiler."""
        began = time.perf_counter()
        x = self.ops.empty((1001,), "float32")
        self.ops.fill(x, 3.0)
        assert (self.ops.to_host(x) == 3).all()
        return f"{time.perf_counter() - began:.2f} s"

    def products_are_right(self) -> str:
        """Make products of each kind, beside float64; on a GPU with rounded factors too."""
        worst = {dtype: self._worst(self.ops, dtype, dtype, own) for dtype, own in LIMITS.items()}
        said = [f"{dtype} {error:.1e}" for dtype, error in worst.items()]
        for precision, limit in ROUNDED.items() if self.device.is_gpu else ():
            error = self._worst(get_ops(self.device, precision), precision, "float32", limit)
            said.append(f"{precision} {error:.1e}{'' if error >= SEEN else ' (not rounded)'}")
        return ", ".join(said)

    def _worst(self, ops: Ops, name: str, dtype: str, limit: float) -> float:
        """Return the largest error of products, transposed and added to others or not."""
        worst = 0.0
        for of_a, of_b, add in product((False, True), repeat=3):
            a = self.normal(*((784, 256) if of_a else (256, 784)), dtype=dtype)
            b = self.normal(*((200, 784) if of_b else (784, 200)), dtype=dtype)
            before = self.normal(256, 200, dtype=dtype)
            out = ops.asarray(before.copy())
            ops.gemm(ops.asarray(a), ops.asarray(b), out, of_a, of_b, add)
            wanted = (a.T if of_a else a).astype(float) @ (b.T if of_b else b).astype(float)
            error = apart(ops.to_host(out), wanted + before * add)
            assert error < limit, (name, (of_a, of_b, add), error)
            worst = max(worst, error)
        return worst

    def products_have_the_same_bits_twice(self) -> str:
        """Make a product twice, and from memory that is not aligned."""
        a, b = self.normal(256, 256), self.ops.asarray(self.normal(256, 256))
        shifted = self.ops.zeros((a.size + 1,), "float32")[1:].reshape(a.shape)
        self.ops.assign(shifted, a)
        made = []
        for x in (self.ops.asarray(a), self.ops.asarray(a), shifted):
            out = self.ops.empty(a.shape, "float32")
            self.ops.gemm(x, b, out)
            made.append(self.ops.to_host(out))
        assert (made[0] == made[1]).all(), "other bits the second time"
        return "off alignment too" if (made[0] == made[2]).all() else "others off alignment"

    def programs_are_what_they_were_written_from(self) -> str:
        """Replay kernels and products one by one and in graphs of many repeats."""
        x, weight = self.ops.asarray(self.normal(64, 96)), self.ops.asarray(self.normal(96, 32))
        bias, totals = self.ops.zeros((32,), "float32"), []
        for times in ([1] * 130, [130]):
            out, total = self.ops.zeros((64, 32), "float32"), self.ops.zeros((1,), "float64")
            recorder = self.recorder()
            recorder.ops.gemm(x, weight, out)
            recorder.ops.bias_activation(out, bias, "relu")
            recorder.ops.add_squares(out.reshape(-1), 1.0, total)
            program = recorder.take()
            for count in times:
                program.replay(count)
            totals.append(float(self.ops.to_host(total)[0]))
        wanted = np.maximum(self.ops.to_host(x).astype(float) @ self.ops.to_host(weight), 0)
        assert abs(totals[0] / (130 * (wanted**2).sum()) - 1) < 1e-5, totals
        assert totals[0] == totals[1], totals
        return "the same bits one by one and together"

    def memory_of_the_host_may_change_once_it_was_sent(self) -> str:
        """Overwrite pageable memory at once."""
        host, target = np.ones(1 << 24, np.float32), self.ops.empty((1 << 24,), "float32")
        for value in range(1, 9):
            host[:] = value
            self.ops.assign(target, host)
            host[:] = -1
            assert (self.ops.to_host(target) == value).all(), "a copy was still under way"
        return "8 times 64 MiB"

    def rows_come_through_a_ring(self, ops: Any) -> str:
        """Bring rows in through pinned memory and a second stream."""
        x = self.random.random((4096, 97)).astype(np.float32)
        order, ring = self.random.permutation(len(x)), ops.ring(x, 256, 3)
        with ops.session():
            for _ in range(2):
                ring.start(order)
                for slot in range(16):
                    ring.acquire(slot)
                    rows = ring.rows[slot % 3 * 256 :][:256]
                    out = ops.empty((256, 97), "float32")
                    ops.multiply(rows, rows, out)
                    ring.release(slot)
                    wanted = x[order[slot * 256 : (slot + 1) * 256]] ** 2
                    assert (ops.to_host(out) == wanted).all(), slot
        return f"{ops.room() / 2**30:.1f} GiB are free"

    def launches_cost(self) -> str:
        """Time tiny kernels from Python, in graphs of many, and graphs of one."""
        x = self.ops.zeros((4,), "float32")
        began = time.perf_counter()
        for _ in range(2000):
            self.ops.fill(x, 1.0)
        self.wait()
        alone = (time.perf_counter() - began) / 2000
        many, one = (self._microseconds(self._fills(x, nodes), nodes) for nodes in (64, 1))
        return (
            f"{alone * 1e6:.1f} us from Python; a node of graphs of many {many:.2f} us, "
            f"of graphs of one, together {one:.2f} us"
        )

    def _fills(self, x: Array, nodes: int) -> Program:
        recorder = self.recorder()
        for _ in range(nodes):
            recorder.ops.fill(x, 1.0)
        return recorder.take()

    def _microseconds(self, program: Program, nodes: int) -> float:
        """Return the microseconds of a node."""
        program.replay(256)
        self.wait()
        began = time.perf_counter()
        program.replay(1024)
        self.wait()
        return (time.perf_counter() - began) / (1024 * nodes) * 1e6


def apart(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the relative error."""
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def tried(name: str, check: Callable[[], str]) -> bool:
    """Make a check and say what came of it."""
    try:
        said = check()
    except Exception as error:
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        traceback.print_exc()
        return False
    print(f"ok   {name}: {said}", flush=True)
    return True


def step_times(name: str, device: str) -> str:
    """Time some epochs of a case and of its products alone."""
    case, said = CASES[name], []
    steps = -(-case.rows // case.batch_size)
    for who, module in (("gpuae", ours), ("products", products)):
        run = module.prepare(Job(case, device=device))
        run(1)
        seconds, _ = run(1)
        seconds, _ = run(max(2, min(50, int(0.5 / seconds))))
        said.append(f"{who} {seconds / steps * 1e6:.1f} us a step, {seconds * 1e3:.2f} ms an epoch")
    return "; ".join(said)


def run_steps(name: str, device: str) -> None:
    """Train for an epoch of few steps."""
    case = CASES[name]
    ours.prepare(Job(replace(case, rows=case.batch_size * STEPS), device=device))(1)


def main() -> None:
    """Make all checks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps-of", choices=list(CASES), help="for a profiler")
    asked = parser.parse_args()
    good = True
    if asked.steps_of:
        run_steps(asked.steps_of, asked.device)
    else:
        good = probe(asked.device)
    sys.stdout.flush()
    os._exit(0 if good else 1)  # fits that wait for their next round would keep the process


def probe(device: str) -> bool:
    """Make all checks on a device; return whether none failed."""
    chosen = resolve_device(device)
    began = time.perf_counter()
    own = Probe(chosen)
    print(f"{computed_by(chosen)}, opened in {time.perf_counter() - began:.2f} s", flush=True)
    run: dict[str, Callable[[], str]] = {
        "a kernel compiles and runs": own.a_kernel_compiles_and_runs,
        "products are right": own.products_are_right,
        "products have the same bits twice": own.products_have_the_same_bits_twice,
        "programs are what they were written from": own.programs_are_what_they_were_written_from,
        "host memory may change once sent": own.memory_of_the_host_may_change_once_it_was_sent,
        "launches": own.launches_cost,
    }
    if chosen.is_gpu:
        run["rows come through a ring"] = lambda: own.rows_come_through_a_ring(own.ops)
    for name in CASES:
        run[f"steps of {name}"] = lambda name=name: step_times(name, device)
    done = [tried(name, check) for name, check in run.items()]
    return all(done)


if __name__ == "__main__":
    main()
