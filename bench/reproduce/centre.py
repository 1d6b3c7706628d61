"""Takes the mean of every row away, as the course notes do with patches of images.

python -m bench.reproduce.centre DATA OUT.npy
"""

from __future__ import annotations

import sys

import numpy as np

from gpuae.importers import open_data


def main() -> None:
    """Write the rows without their means."""
    x = np.asarray(open_data(sys.argv[1]).x[:], np.float32)
    np.save(sys.argv[2], x - x.mean(axis=1, keepdims=True))


if __name__ == "__main__":
    main()
