"""The data sets of the panel: small and middling ones of the kinds that people have.

`SETS` holds a function for each, which makes or reads it anew: the same rows every time. Some are
scikit-learn's own, some are made here, and some are files of a folder that not every machine has:
the environment variable GPUAE_DATA names it, or it is ../shared/data from the project's root.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from gpuae.importers.idx import read_array
from gpuae.storage.files.input_file import InputFile

ROOT = Path(__file__).parents[1]
IMAGES = 5000
"""Rows of MNIST and Fashion-MNIST, the first of their training images."""

Matrix = NDArray[np.float64]


class MissingDataError(Exception):
    """The files of a set are not on this machine."""


@dataclass(frozen=True)
class PanelSet:
    """Rows as somebody would have them.

    Attributes
    ----------
    x
        (n, d), in the type and units they are stored in.
    pixels
        Whether all columns have one unit and are judged in it; else each column counts the same.
    y
        (n,) for a set with labelled outliers, 1 for an outlier and 0 for a normal row.
    """

    name: str
    x: NDArray[Any]
    pixels: bool = False
    y: NDArray[np.int64] | None = None

    @property
    def code_size(self) -> int:
        """Units of the code on the panel: a quarter of the columns, from 1 to 16."""
        return max(1, min(16, self.x.shape[1] // 4))


SETS: dict[str, Callable[[], PanelSet]] = {}


def _add(
    name: str, make: Callable[[], Any], *, pixels: bool = False, labelled: bool = False
) -> None:
    """Register a set under its name; `make` returns its rows, with labels if it has any."""

    def load() -> PanelSet:
        x, y = make() if labelled else (make(), None)
        return PanelSet(name, x, pixels, y)

    SETS[name] = load


def _file(name: str) -> Path:
    folder = Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise MissingDataError(f"no real data: set GPUAE_DATA, {folder} is not there")
    if not (folder / name).is_file():
        raise MissingDataError(f"{folder / name} is not there")
    return folder / name


def _spectra(name: str, first: int) -> Matrix:
    """Return the columns of a CSV file from number `first` on; others are about the sample."""
    path = _file(name)
    with path.open(encoding="utf-8") as file:
        columns = len(file.readline().split(","))
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(first, columns))


def _images(folder: str) -> NDArray[np.uint8]:
    images = read_array(InputFile(_file(f"{folder}/train-images-idx3-ubyte.gz")))
    return images[:IMAGES].reshape(IMAGES, -1).copy()


def _outliers(name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    with np.load(_file(f"panel/{name}-outliers.npz"), allow_pickle=False) as file:
        return file["X"], file["y"].astype(np.int64)


def _sensors(rows: int = 2000, columns: int = 20, latent: int = 3) -> Matrix:
    """Return readings that all follow from a few quantities, each in a smooth curve of its own."""
    random = np.random.default_rng(1)
    z = random.standard_normal((rows, latent))
    shift = random.uniform(-1, 1, 4 * columns)
    bends = np.tanh(z @ random.standard_normal((latent, 4 * columns)) + shift)
    weight = random.standard_normal((columns, 4))
    readings = (bends.reshape(rows, columns, 4) * weight).sum(axis=2)
    return readings + 0.05 * random.standard_normal((rows, columns))


def _offset() -> Matrix:
    return _sensors() + 1e6


def _units() -> Matrix:
    return _sensors() * np.logspace(-6, 6, 20)


def _counts() -> NDArray[np.int64]:
    """Return counts whose columns differ in rate, from 0.3 to 100, and whose rows in three factors.

    A count table as in ecology, text or single cells: log rate = column + factors · loadings.
    """
    random = np.random.default_rng(2)
    factors = random.standard_normal((2000, 3))
    loadings = 0.3 * random.standard_normal((3, 32))
    return random.poisson(np.exp(np.linspace(np.log(0.3), np.log(100), 32) + factors @ loadings))


def _swiss_roll() -> Matrix:
    rolled, _ = datasets.make_swiss_roll(2000, noise=0.1, random_state=3)
    random = np.random.default_rng(3)
    embedded: Matrix = rolled @ random.standard_normal((3, 10))
    return embedded + 0.1 * random.standard_normal(embedded.shape)


def _noise() -> Matrix:
    return np.random.default_rng(4).standard_normal((1000, 20))


def _sparse_binary() -> Matrix:
    """Return 0 and 1, about one in twenty 1: rows choose one of eight groups of columns."""
    random = np.random.default_rng(5)
    rate = np.where(random.random((8, 64)) < 0.15, 0.3, 0.01)
    return (random.random((2000, 64)) < rate[random.integers(0, 8, 2000)]).astype(np.float64)


def _heavy_tails() -> Matrix:
    """Return factors and noise of Student's t with 3 and 2.5 degrees of freedom."""
    random = np.random.default_rng(6)
    factors = random.standard_t(3, (2000, 4)) @ random.standard_normal((4, 24))
    return factors + 0.5 * random.standard_t(2.5, (2000, 24))


def _factors(seed: int, rows: int, columns: int, latent: int) -> Matrix:
    """Return a few linear factors and noise of a tenth of their variance."""
    random = np.random.default_rng(seed)
    signal = random.standard_normal((rows, latent)) @ random.standard_normal((latent, columns))
    noise = random.standard_normal((rows, columns))
    return np.asarray(signal + np.sqrt(0.1 * latent) * noise)


def _three_columns() -> Matrix:
    """Return a bent line in space: where on it a row lies is one number."""
    random = np.random.default_rng(9)
    t = random.uniform(-1, 1, 1000)
    return np.stack([t, t**2, np.sin(3 * t)], axis=1) + 0.05 * random.standard_normal((1000, 3))


_add("digits", lambda: datasets.load_digits().data.astype(np.uint8), pixels=True)
# As load_digits gives them nothing says that they are pixels: a table like any other.
_add("digits-float", lambda: datasets.load_digits().data)
_add("wine", lambda: datasets.load_wine().data)
_add("breast-cancer", lambda: datasets.load_breast_cancer().data)
_add("diabetes", lambda: datasets.load_diabetes(scaled=False).data)
_add("iris", lambda: datasets.load_iris().data)
_add("milk", lambda: _spectra("spectra/milk.csv", first=2))
_add("coffee", lambda: _spectra("panel/coffee.csv", first=1))
_add("peach", lambda: _spectra("panel/peach.csv", first=1))
_add("mnist", lambda: _images("mnist"), pixels=True)
_add("fashion-mnist", lambda: _images("fashion-mnist"), pixels=True)
_add("mammography", lambda: _outliers("mammography"), labelled=True)
_add("smtp", lambda: _outliers("smtp"), labelled=True)
_add("wbc", lambda: _outliers("wbc"), labelled=True)
_add("wine-outliers", lambda: _outliers("wine"), labelled=True)
_add("counts", _counts)
_add("sensors", _sensors)
_add("swiss-roll", _swiss_roll)
_add("offset", _offset)
_add("units", _units)
_add("noise", _noise)
_add("sparse-binary", _sparse_binary)
_add("heavy-tails", _heavy_tails)
_add("few-rows", lambda: _factors(7, rows=30, columns=12, latent=2))
_add("three-columns", _three_columns)
_add("wide", lambda: _factors(8, rows=100, columns=5000, latent=8))
