"""The script one would write: the objective in NumPy, float64, and SciPy's L-BFGS-B."""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from gpuae.benchmark.contenders import Job, Run

EVALUATIONS = 5


def prepare(job: Job) -> Run:
    """Bring the data to memory as float64; a job is some evaluations, its seconds are of one."""
    case, config = job.case, job.config
    x = case.data() / 255.0
    (w1, b1), (w2, b2) = case.weights()
    shapes = [w1.shape, b1.shape, w2.shape, b2.shape]
    start = np.concatenate([part.ravel() for part in (w1, b1, w2, b2)]).astype(np.float64)
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    rows, rho, beta, decay = len(x), config.rho, config.beta, config.weight_decay

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w1, b1, w2, b2 = (
            part.reshape(shape)
            for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
        )
        h = expit(x @ w1 + b1)
        y = expit(h @ w2 + b2)
        mean = h.mean(0)
        value = ((y - x) ** 2).sum() / (2 * rows)
        value += (
            beta * (rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))).sum()
        )
        value += decay / 2 * ((w1**2).sum() + (w2**2).sum())
        dy = (y - x) * y * (1 - y) / rows
        slope = beta * (-rho / mean + (1 - rho) / (1 - mean)) / rows
        dh = (dy @ w2.T + slope) * h * (1 - h)
        parts = (x.T @ dh + decay * w1, dh.sum(0), h.T @ dy + decay * w2, dy.sum(0))
        return value, np.concatenate([part.ravel() for part in parts])

    first = float(cost(start)[0])

    def run(count: int) -> tuple[float, list[float]]:
        began, evaluations = time.perf_counter(), 0
        for _ in range(count):
            options = {"maxfun": EVALUATIONS, "maxcor": 10}
            done = minimize(cost, start, jac=True, method="L-BFGS-B", options=options)
            evaluations += done.nfev
        return (time.perf_counter() - began) / evaluations, [first] * count

    return run
