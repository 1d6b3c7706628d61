"""Who takes part: gpuae and its bound on each device, and the peers that are installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from gpuae.backends import blas
from gpuae.benchmark.track import Contender, Figures

OURS, PRODUCTS = "gpuae", "products alone"
SAME_LOSS = 0.02
"""Losses after the same epochs may differ by this share."""
_HERE = "gpuae.benchmark.contenders"


@dataclass(frozen=True)
class Peer:
    """Another library, in one of its ways."""

    name: str
    package: str
    mode: str
    gpu_only: bool = False


PEERS = (
    Peer("JAX scan", "jax", "scan"),
    Peer("JAX step", "jax", "step"),
    Peer("torch.compile", "torch", "compile"),
    Peer("PyTorch graph", "torch", "graph", gpu_only=True),
    Peer("PyTorch", "torch", "eager"),
)


def ours(device: str, threads: int | None = None) -> Contender:
    """Return gpuae itself."""
    return Contender(OURS, f"{_HERE}.ours", device=device, threads=threads, needed=True)


def products(device: str, threads: int | None = None) -> Contender:
    """Return the matrix products alone; on the CPU with NumPy's best kernel."""
    module = f"{_HERE}.products"
    environment = products_environment(threads)
    return Contender(
        PRODUCTS, module, device=device, threads=threads, needed=True, environment=environment
    )


def products_environment(threads: int | None = None) -> tuple[tuple[str, str], ...]:
    """Return the variables that give NumPy's OpenBLAS its best kernel and this many threads."""
    core = blas.best_core()
    kernel = {blas.CORETYPE: core} if core else {}
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS") if threads else ()
    return tuple({**kernel, **dict.fromkeys(names, str(threads))}.items())


def peers(device: str, threads: int | None = None) -> Iterator[Contender]:
    """Yield the peers that are installed."""
    on_gpu = device.startswith("cuda")
    for peer in PEERS:
        if find_spec(peer.package) and (on_gpu or not peer.gpu_only):
            yield Contender(
                peer.name,
                f"{_HERE}.{peer.package}_peer",
                peer.mode,
                device,
                threads,
                peer.package,
                environment=tuple(_peer_environment(on_gpu, threads).items()),
            )


def missing_peers() -> list[str]:
    """Return the packages of peers that are not installed."""
    return sorted({peer.package for peer in PEERS if not find_spec(peer.package)})


def _peer_environment(on_gpu: bool, threads: int | None) -> Mapping[str, str]:
    """Let JAX take no more than the CPU, or of a GPU's memory than it uses, nor more threads."""
    jax = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} if on_gpu else {"JAX_PLATFORMS": "cpu"}
    return jax | ({"NPROC": str(threads)} if threads else {})


def unequal_work(figures: Mapping[Contender, Figures]) -> Iterator[tuple[Contender, str]]:
    """Yield those whose loss after the same epochs is not ours, with a sentence for each."""
    reference = _first_of_ours(figures)
    loss = figures[reference].loss
    for contender, own in figures.items():
        if own.loss is None or loss is None or abs(own.loss - loss) <= SAME_LOSS * abs(loss):
            continue
        yield (
            contender,
            f"{contender.name} on {contender.device}: its loss is {own.loss:.5g} and that of "
            f"{reference.name} on {reference.device} {loss:.5g}; that is not the same work",
        )


def _first_of_ours(contenders: Iterable[Contender]) -> Contender:
    return next(own for own in contenders if own.name == OURS)
