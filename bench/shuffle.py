"""How close shuffle=block is to a true shuffle, at its worst: rows sorted by class.

    python bench/shuffle.py IMAGES LABELS   (idx files, MNIST's say)

Prints for each way of shuffling the mean chi² of the classes in a batch of 256 rows against those
of all rows (a true shuffle gives the number of classes less one), and the loss of training and on
held-out rows after five epochs, median of three seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from gpuae.benchmark.cases import EVERY, PLAIN
from gpuae.config import Config
from gpuae.importers import LabelsFile, open_data
from gpuae.training.batches import epoch_order
from gpuae.training.fitting import fit

BATCH, SEEDS = 256, (0, 1, 2)


def chi_squared(labels: NDArray[np.int64], order: NDArray[np.int64]) -> float:
    """Return the mean over whole batches of Σ (found − expected)² / expected."""
    batches = labels[order[: len(order) // BATCH * BATCH]].reshape(-1, BATCH)
    found = np.stack([np.bincount(own, minlength=labels.max() + 1) for own in batches])
    expected = BATCH * np.bincount(labels) / len(labels)
    return float(((found - expected) ** 2 / expected).sum(axis=1).mean())


def main() -> None:
    """Print the table."""
    data = open_data(sys.argv[1], LabelsFile(Path(sys.argv[2])))
    labels = np.asarray(data.y, np.int64)
    ascending = np.argsort(labels, kind="stable")
    rows, labels = data.x[:][ascending], labels[ascending]
    for shuffle in ("full", "block", "none"):
        order = epoch_order(np.arange(len(rows)), 0, 0, shuffle)
        settings = {**EVERY, **PLAIN, "hidden": 32, "epochs": 5, "validation": 0.1}
        runs = [
            fit(rows, Config.parse({**settings, "shuffle": shuffle, "seed": seed})).result.history
            for seed in SEEDS
        ]
        loss, val_loss = (
            median(getattr(run.records[-1], name) for run in runs) for name in ("loss", "val_loss")
        )
        spread = chi_squared(labels, order)
        print(f"{shuffle:6s} chi² {spread:8.1f}  loss {loss:.5f}  held out {val_loss:.5f}")


if __name__ == "__main__":
    main()
