"""What `bench.run` times: the trainings of gpuae.benchmark, full batches, batch encoding."""

from __future__ import annotations

from dataclasses import dataclass

from gpuae.benchmark.cases import CASES, SPARSE, Case


@dataclass(frozen=True)
class Target:
    """A case and what it is held to.

    Attributes
    ----------
    bound, peer
        Seconds allowed, as multiples of the products alone and of the fastest peer. In `encode`
        what it takes to read and to write its bytes is allowed beside them.
    kind
        `epochs` (mini-batches), `full_batch` (lbfgs) or `encode`.
    """

    case: Case
    bound: float
    peer: float | None
    kind: str = "epochs"


LBFGS = Case(
    "lbfgs",
    "784-196-784, sigmoid, sse, KL, decay, 10,000 rows, an evaluation (SciPy in float64)",
    784,
    10_000,
    {"hidden": (196,), "optimizer": "lbfgs", "batch_size": None, **SPARSE},
)
ENCODE = Case(
    "encode",
    "bytes to 200 codes, HDF5 to HDF5",
    784,
    60_000,
    {"hidden": (200,), "batch_size": 256, **SPARSE},
)
TARGETS = {
    target.case.name: target
    for target in (
        Target(CASES["sparse"], bound=1.25, peer=0.80),
        Target(CASES["deep"], bound=1.35, peer=0.95),
        Target(CASES["denoise"], bound=1.20, peer=0.82),
        Target(CASES["big"], bound=1.08, peer=0.95),
        Target(CASES["small"], bound=2.6, peer=1.0),
        Target(CASES["topk"], bound=0.45, peer=1 / 6),
        Target(CASES["classifier"], bound=1.20, peer=1.0),
        Target(CASES["classifier-big"], bound=1.20, peer=1.0),
        Target(LBFGS, bound=1.3, peer=1 / 8, kind="full_batch"),
        Target(ENCODE, bound=1.5, peer=None, kind="encode"),
    )
}
