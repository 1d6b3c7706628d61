"""Where the data of the suite are: files of MNIST, as they are published."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.run import ROOT

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
ENDINGS = (".gz", "")


class MissingDataError(Exception):
    """A file that a row needs is not there."""


def default_folder() -> Path:
    """Return where the files are if nobody says: where the tests look for them."""
    return Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data")) / "mnist"


def find(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the files that places of steps stand for.

    Raises
    ------
    MissingDataError
        For the first that is not in the folder, and for a place that stands for no file.
    """
    return {name: str(_file(folder, name)) for name in sorted(names)}


def _file(folder: Path, name: str) -> Path:
    if name not in FILES:
        raise MissingDataError(f"{{{name}}} stands for no data; there are {', '.join(FILES)}")
    for ending in ENDINGS:
        path = folder.resolve() / f"{FILES[name]}{ending}"
        if path.is_file():
            return path
    raise MissingDataError(
        f"{folder} has no {FILES[name]}.gz of MNIST: give its folder with --data, or one that has "
        "a folder mnist in the environment variable GPUAE_DATA"
    )
