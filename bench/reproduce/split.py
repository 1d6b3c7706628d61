"""Splits MNIST for self-taught learning, as the exercise of the course notes does.

    python -m bench.reproduce.split TRAIN_IMAGES TRAIN_LABELS

Writes to the folder it runs in: unlabelled.npz, digits 5 to 9; known.npz, the first half of digits
0 to 4, with labels; and unseen.npz, the second half.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpuae.importers.idx import read_array
from gpuae.storage.files.input_file import InputFile

LABELLED = 5
"""Digits below it have labels."""


def split(labels: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each part, ascending."""
    labelled = np.flatnonzero(labels < LABELLED)
    known, unseen = np.split(labelled, [round(len(labelled) / 2)])
    return {
        "unlabelled": np.flatnonzero(labels >= LABELLED),
        "known": known,
        "unseen": unseen,
    }


def main() -> None:
    """Write the three parts."""
    images, labels = (read_array(InputFile(Path(name))) for name in sys.argv[1:3])
    images = images.reshape(len(images), -1)
    for name, rows in split(labels).items():
        own = {} if name == "unlabelled" else {"y": labels[rows]}
        np.savez(f"{name}.npz", x=images[rows], **own)


if __name__ == "__main__":
    main()
