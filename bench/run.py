"""Times gpuae beside its bound and its peers, in turns, and prints the table.

    python -m bench.run [--case NAME ...] [--rounds N] [--seconds S] [--save] [--no-peers]

All contenders of a case run side by side as processes of their own and take turns, a round each,
so that a machine whose speed drifts is fair to all. The first round warms up and is not counted.
With --save the figures go to bench/results/ with machine, versions and the state of the sources.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.cases import CASES, Case
from bench.profile import profile
from gpuae.backends import blas
from gpuae.diagnosis import diagnose

ROOT = Path(__file__).parents[1]
PACKAGES = ("gpuae", "numpy", "scipy", "numba", "torch", "jax", "scikit-learn")
PAUSE_SECONDS = 0.15
"""Before each turn: threads of the one before may spin for a while before they go to sleep."""
SAME_LOSS = 0.02
"""Losses after the same epochs may differ by this share."""
OURS, BOUND = "gpuae", "products alone"


@dataclass
class Contender:
    """Who is timed on which kinds of cases."""

    name: str
    module: str
    mode: str
    kinds: tuple[str, ...]
    package: str = "numpy"
    except_for: tuple[str, ...] = ()
    equal_work: bool = True


CONTENDERS = (
    Contender(OURS, "ours", "", ("epochs", "full_batch", "encode")),
    Contender(BOUND, "products", "", ("epochs", "full_batch", "encode")),
    Contender("JAX scan", "jax_peer", "scan", ("epochs",), "jax"),
    Contender("JAX step", "jax_peer", "step", ("epochs",), "jax"),
    Contender("torch.compile", "torch_peer", "compile", ("epochs",), "torch"),
    Contender("PyTorch", "torch_peer", "eager", ("epochs",), "torch"),
    Contender(
        "MLPRegressor", "sklearn_peer", "", ("epochs",), "sklearn", ("denoise",), equal_work=False
    ),
    Contender("SciPy", "scipy_peer", "", ("full_batch",), "scipy"),
)


@dataclass
class Track:
    """One contender's process and what it has measured."""

    contender: Contender
    process: subprocess.Popen[str]
    seconds: list[float] = field(default_factory=list)
    loss: float | None = None

    def round(self, *, counts: bool) -> None:
        """Run a round."""
        time.sleep(PAUSE_SECONDS)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contender.name} has failed; its message is above")
        answer = json.loads(line)
        self.loss = answer["loss"]
        if counts:
            self.seconds.append(answer["seconds"])

    def figures(self) -> dict[str, Any]:
        """Return median, p20, p80 and the last loss."""
        low, *_, high = quantiles(self.seconds, n=5, method="inclusive")
        return {
            "median": median(self.seconds),
            "p20": low,
            "p80": high,
            "rounds": len(self.seconds),
            "loss": self.loss,
        }


@contextmanager
def started(contender: Contender, case: Case, folder: Path) -> Iterator[Track]:
    """Start a contender in a process without anybody's BLAS settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment["PYTHONPATH"] = str(ROOT)
    core = blas.best_core()
    if contender.name == BOUND and core:
        environment["OPENBLAS_CORETYPE"] = core
    command = [sys.executable, "-m", "bench.serve", contender.module, contender.mode, case.name]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / f"{contender.module}-{contender.mode}.log").open("w"),
        text=True,
        env=environment,
        cwd=folder,
    ) as process:
        try:
            yield Track(contender, process)
        finally:
            process.kill()


def measure(case: Case, contenders: list[Contender], rounds: int, seconds: float) -> dict[str, Any]:
    """Time a case: all in turns, `rounds` times, or fewer (3 at least) when `seconds` are over."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        tracks = [stack.enter_context(started(own, case, Path(name))) for own in contenders]
        try:
            for track in tracks:
                track.round(counts=False)
        except SystemExit:
            for log in Path(name).glob("*.log"):
                print(log.read_text()[-2000:], file=sys.stderr)
            raise
        began = time.perf_counter()
        for count in range(max(3, rounds)):
            if count >= 3 and time.perf_counter() - began > seconds:
                break
            for track in tracks:
                track.round(counts=True)
        return {track.contender.name: track.figures() for track in tracks}


def same_losses(case: Case, figures: dict[str, Any]) -> None:
    """Refuse figures of unequal work: losses after the same rounds that differ."""
    ours = figures[OURS]["loss"]
    for name, own in figures.items():
        if own["loss"] is not None and abs(own["loss"] - ours) > SAME_LOSS * abs(ours):
            raise SystemExit(
                f"{case.name}: the loss of {name} is {own['loss']:.5g} and ours {ours:.5g}; "
                "that is not the same work"
            )


def table(case: Case, figures: dict[str, Any]) -> list[str]:
    """Return lines that say how we compare."""
    peers = [own for own in CONTENDERS if own.equal_work and own.name not in (OURS, BOUND)]
    times = {own.name: figures[own.name]["median"] for own in peers if own.name in figures}
    ours, bound = figures[OURS]["median"], figures[BOUND]["median"]
    lines = [f"{case.name}: {case.what}"]
    for name, own in figures.items():
        loss = "" if own["loss"] is None else f"  loss {own['loss']:.5g}"
        spread = f"{own['p20']:.4g} .. {own['p80']:.4g}"
        lines.append(
            f"  {name:15s} {own['median']:8.4g} s  ({spread}, {own['rounds']} rounds)"
            f"  {own['median'] / bound:5.2f} of the products{loss}"
        )
    verdict = [_verdict("products alone", ours / bound, case.bound)]
    if times and case.peer is not None:
        fastest = min(times, key=times.__getitem__)
        verdict.append(_verdict(f"the fastest peer ({fastest})", ours / times[fastest], case.peer))
    return [*lines, *(f"  {line}" for line in verdict)]


def _verdict(what: str, ratio: float, allowed: float) -> str:
    reached = "reached" if ratio <= allowed else "MISSED"
    return f"against {what}: {ratio:.3f} of at most {allowed:.3f}: {reached}"


def machine() -> dict[str, str]:
    """Say on what the figures were measured."""
    return {**diagnose(), "platform": platform.platform(), "cores": str(os.cpu_count())}


def versions() -> dict[str, str]:
    """Return the versions of what took part."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def state() -> str:
    """Return the commit of the sources, marked where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7, help="at least 3")
    parser.add_argument("--seconds", type=float, default=40.0, help="for the rounds of a case")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    parser.add_argument("--no-peers", action="store_true", help="only gpuae and the products")
    return parser.parse_args()


def main() -> None:
    """Measure, print, keep."""
    asked = arguments()
    results = {}
    for name in asked.case:
        case = CASES[name]
        contenders = [
            own
            for own in CONTENDERS
            if case.kind in own.kinds
            and name not in own.except_for
            and find_spec(own.package)
            and not (asked.no_peers and own.name not in (OURS, BOUND))
        ]
        figures = measure(case, contenders, asked.rounds, asked.seconds)
        same_losses(case, figures)
        print("\n".join(table(case, figures)), flush=True)
        results[name] = {"what": case.what, "rows": case.rows, "seconds": figures}
        if case.kind == "epochs":
            results[name]["profile"] = profile(case)
            print(_profile_line(results[name]["profile"]), flush=True)
    if asked.save:
        now = datetime.now(UTC)
        made = {"date": f"{now:%Y-%m-%d %H:%M} UTC", "sources": state(), "versions": versions()}
        path = ROOT / "bench" / "results" / f"{now:%Y-%m-%d-%H%M}.json"
        path.write_text(json.dumps({**made, "machine": machine(), "cases": results}, indent=1))
        print(f"wrote {path.relative_to(ROOT)}")


def _profile_line(parts: dict[str, float]) -> str:
    shares = ", ".join(f"{name} {seconds:.4g}" for name, seconds in parts.items())
    return f"  where our epoch goes, s on each thread: {shares}"


if __name__ == "__main__":
    main()
