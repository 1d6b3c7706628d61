"""Times gpuae beside its bound and its peers, in turns, and prints the table.

    python -m bench.run [--case NAME ...] [--rounds N] [--seconds S] [--save] [--no-peers]

All contenders of a case run side by side as processes of their own and take turns, a round each,
so that a machine whose speed drifts is fair to all. The first two rounds are not counted.
With --save the figures go to bench/results/ with machine, versions and the state of the sources.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.cases import TARGETS, Target
from bench.profile import profile
from gpuae.benchmark.cases import Case
from gpuae.benchmark.line_up import (
    OURS,
    PRODUCTS,
    ours,
    peers,
    products,
    products_environment,
    unequal_work,
)
from gpuae.benchmark.track import Contender, ContenderError, Figures
from gpuae.benchmark.turns import Pace, measure
from gpuae.diagnosis import diagnose

ROOT = Path(__file__).parents[1]
PACKAGES = ("gpuae", "numpy", "scipy", "numba", "torch", "jax", "scikit-learn", "pyod")
BYTES = "bytes alone"
"""Reads what `encode` reads, and writes as much as it writes."""
OTHER_LOSS = "MLPRegressor"
"""It minimises something else: for orientation, and not counted as a peer."""


def line_up(target: Target, *, with_peers: bool) -> Iterator[Contender]:
    """Yield the contenders of a case that are installed."""
    here, bound = "bench.contenders", products_environment()
    if target.kind == "encode":
        yield Contender(OURS, f"{here}.ours", "encode", needed=True)
        yield Contender(PRODUCTS, f"{here}.encode_products", needed=True, environment=bound)
        yield Contender(BYTES, f"{here}.encode_bytes", needed=True)
    elif target.kind == "full_batch":
        yield Contender(OURS, f"{here}.ours", "lbfgs", needed=True)
        yield products("cpu")
        if with_peers:
            yield Contender("SciPy", f"{here}.scipy_peer", needed=True)
    else:
        yield ours("cpu")
        yield products("cpu")
        if with_peers:
            yield from peers("cpu")
        if with_peers and _is_regression(target.case) and find_spec("sklearn"):
            yield Contender(OTHER_LOSS, f"{here}.sklearn_peer")


def _is_regression(case: Case) -> bool:
    """Whether rows are to be rebuilt as they are given."""
    return case.name != "denoise" and not case.classes


def measured(target: Target, asked: argparse.Namespace) -> dict[str, Figures]:
    """Time a case and return the figures by contender; figures of unequal work are refused."""
    contenders = list(line_up(target, with_peers=not asked.no_peers))
    round_seconds = Pace.round_seconds if target.kind == "epochs" else 0.0
    try:
        found = measure(target.case, contenders, Pace(asked.rounds, asked.seconds, round_seconds))
    except ContenderError as error:
        raise SystemExit(f"{error.log}\n{error}") from None
    problems = [*found.left_out, *(sentence for _, sentence in unequal_work(found.figures))]
    if problems:
        raise SystemExit(f"{target.case.name}: {'; '.join(problems)}")
    return {contender.name: own for contender, own in found.figures.items()}


def table(target: Target, figures: dict[str, Figures]) -> list[str]:
    """Return lines that say how we compare."""
    others = {OURS, PRODUCTS, BYTES, OTHER_LOSS}
    times = {name: own.median for name, own in figures.items() if name not in others}
    ours, bound = figures[OURS].median, figures[PRODUCTS].median
    lines = [f"{target.case.name}: {target.case.what}"]
    for name, own in figures.items():
        loss = "" if own.loss is None else f"  loss {own.loss:.5g}"
        spread = f"{own.p20:.4g} .. {own.p80:.4g}"
        lines.append(
            f"  {name:15s} {own.median:8.4g} s  ({spread}, {own.rounds} rounds)"
            f"  {own.median / bound:5.2f} of the products{loss}"
        )
    verdict = [_against_products(ours, bound, figures.get(BYTES), target.bound)]
    if times and target.peer is not None:
        fastest = min(times, key=times.__getitem__)
        verdict.append(
            _verdict(f"the fastest peer ({fastest})", ours / times[fastest], target.peer)
        )
    return [*lines, *(f"  {line}" for line in verdict)]


def _against_products(ours: float, products: float, moved: Figures | None, allowed: float) -> str:
    """Say how many times the products we take, besides what it takes to read and write alone."""
    if moved is None:
        return _verdict("products alone", ours / products, allowed)
    own = (ours - moved.median) / products
    return _verdict(f"products alone, without {BYTES}", own, allowed)


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
    parser.add_argument("--case", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--rounds", type=int, default=7, help="at least 3")
    parser.add_argument("--seconds", type=float, default=40.0, help="for the rounds of a case")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    parser.add_argument("--no-peers", action="store_true", help="only gpuae and the products")
    return parser.parse_args()


def main() -> None:
    """Measure, print, keep."""
    asked = arguments()
    results: dict[str, Any] = {}
    for name in asked.case:
        target = TARGETS[name]
        case, figures = target.case, measured(target, asked)
        print("\n".join(table(target, figures)), flush=True)
        seconds = {contender: asdict(own) for contender, own in figures.items()}
        results[name] = {"what": case.what, "rows": case.rows, "seconds": seconds}
        if target.kind == "epochs":
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
