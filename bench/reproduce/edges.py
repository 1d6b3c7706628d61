"""Tells which share of a model's units are edge filters, of rows that are square images.

    python -m bench.reproduce.edges MODEL

Prints JSON, of what excites each unit most: `oriented`, the share of units that vary in one
direction only, and `edges`, the share of those that are local too, by the rules of `gpuae.filters`.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from gpuae.filters import ORIENTED, edges, maximal_inputs, orientation
from gpuae.model.model import Model


def shares(model: Model) -> dict[str, float]:
    """Return the shares of units of the first layer."""
    inputs = maximal_inputs(model)
    side = math.isqrt(inputs.shape[1])
    images = inputs.reshape(-1, side, side)
    coherence, _ = orientation(images)
    return {
        "oriented": float((coherence > ORIENTED).mean()),
        "edges": float(edges(images).mean()),
    }


def main() -> None:
    """Print the shares."""
    print(json.dumps(shares(Model.load(Path(sys.argv[1])))))


if __name__ == "__main__":
    main()
