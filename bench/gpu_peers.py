"""An epoch of each case on a GPU beside its products and chosen peers, all in turns.

    python bench/gpu_peers.py [CASE ...] [--device cuda] [--peers NAME ...] [--rounds 5] [--json]

`gpuae bench --peers` has all peers; compiling takes torch.compile minutes for some cases, and so it
is not among those that are chosen here.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from gpuae.backends import computed_by, resolve_device
from gpuae.benchmark import line_up
from gpuae.benchmark.cases import CASES
from gpuae.benchmark.turns import Pace, measure
from gpuae.training.batches import step_sizes

CHOSEN = ("JAX scan", "PyTorch graph")
BOUNDED = ("sparse", "deep", "denoise", "small", "big", "classifier")


def measured(name: str, device: str, peers: list[str], rounds: int) -> dict[str, Any]:
    """Return the seconds of an epoch of everyone, and microseconds of a step."""
    case = CASES[name]
    steps = len(step_sizes(case.rows, case.batch_size))
    contenders = [line_up.ours(device), line_up.products(device)]
    contenders += [own for own in line_up.peers(device) if own.name in peers]
    done = measure(case, contenders, Pace(rounds, seconds=6.0, round_seconds=0.15))
    found = {
        own.name: {
            "seconds": figures.median,
            "p20": figures.p20,
            "p80": figures.p80,
            "rounds": figures.rounds,
            "microseconds_a_step": 1e6 * figures.median / steps,
            "loss": figures.loss,
        }
        for own, figures in done.figures.items()
    }
    return {"what": case.what, "steps": steps, "measured": found, "left_out": done.left_out}


def main() -> None:
    """Print a line for each case, or all of it as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"[default: {' '.join(BOUNDED)}]")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peers", nargs="*", default=list(CHOSEN), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    device = resolve_device(asked.device)
    results: dict[str, Any] = {**computed_by(device), "cases": {}}
    for name in asked.cases or BOUNDED:
        own = measured(name, device.name, asked.peers, asked.rounds)
        results["cases"][name] = own
        if not asked.json:
            said = (
                f"{who} {one['microseconds_a_step']:.1f}" for who, one in own["measured"].items()
            )
            print(
                f"{name:12s} microseconds a step: {', '.join(said)}", *own["left_out"], flush=True
            )
    if asked.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
