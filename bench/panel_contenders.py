"""Who takes part in the panel: gpuae as it comes, PCA, and the peers that are installed.

A compressor is fitted to rows and returns a function that rebuilds rows, in their own units; a
detector returns one that scores them, higher for a row that looks more like an outlier. All but
gpuae, which gets the rows as they are, and the isolation forest, which has no units, are given
standardised ones without constant columns: what a careful user would do for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

import gpuae

Rows = NDArray[Any]
Matrix = NDArray[np.float64]
OURS, BOUND, FOREST, PYOD, MLP = "gpuae", "PCA", "isolation forest", "PyOD", "MLP"
PEERS = (PYOD, MLP)
WIDE_LAYER = 64
"""Units of PyOD's first hidden layer, by its default; MLPRegressor is given the same."""


@dataclass(frozen=True)
class Job:
    """What a contender is told besides the rows."""

    code_size: int
    seed: int
    pixels: bool = False
    only_normal: bool = False
    """Whether no outliers are among the rows."""


@dataclass(frozen=True)
class Units:
    """Units in which columns are compared: standardised by some rows, or for pixels their own."""

    mean: Matrix
    deviation: Matrix
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Rows, *, pixels: bool = False) -> Units:
        """Learn them from rows (n, d); columns without variation are left out."""
        exact = rows.astype(np.float64)
        kept = np.ptp(exact, axis=0) > 0
        deviation = np.ones(len(kept)) if pixels else np.where(kept, exact.std(axis=0), 1.0)
        return cls(exact.mean(axis=0), deviation, kept)

    def to(self, rows: Rows) -> Matrix:
        """Bring rows (n, d) to these units, (n, columns kept)."""
        return ((rows.astype(np.float64) - self.mean) / self.deviation)[:, self.kept]

    def back(self, standard: Matrix) -> Matrix:
        """Return rows (n, d) in their own units; the columns left out have their mean."""
        rows = np.tile(self.mean, (len(standard), 1))
        rows[:, self.kept] += standard * self.deviation[self.kept]
        return rows


Rebuild = Callable[[Rows], Matrix]
Score = Callable[[Rows], Matrix]
Compressor = Callable[[Rows, Job], Rebuild]
Detector = Callable[[Rows, Job], Score]


def ours(rows: Rows, job: Job) -> Rebuild:
    """Fit gpuae with a code size and a seed, all else by default."""
    model = gpuae.Autoencoder(hidden=(job.code_size,), seed=job.seed).fit(rows)
    return lambda new: np.asarray(model.inverse_transform(model.transform(new)), np.float64)


def pca(rows: Rows, job: Job) -> Rebuild:
    """Fit PCA in the units it is judged in, exactly."""
    units = Units.of(rows, pixels=job.pixels)
    model = PCA(job.code_size, svd_solver="full").fit(units.to(rows))
    return lambda new: units.back(model.inverse_transform(model.transform(units.to(new))))


def mlp(rows: Rows, job: Job) -> Rebuild:
    """Fit scikit-learn's MLPRegressor to give back what it gets, through a layer of the code."""
    units = Units.of(rows)
    layers = (WIDE_LAYER, job.code_size, WIDE_LAYER)
    model = MLPRegressor(hidden_layer_sizes=layers, random_state=job.seed)
    x = units.to(rows)
    # one thread as for PyOD; it ends after 200 epochs by default, and says so
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, x)
    return lambda new: units.back(model.predict(units.to(new)))


def pyod(rows: Rows, job: Job) -> Rebuild:
    """Fit PyOD's AutoEncoder with its default layers, but for the size of the code."""
    import torch

    units = Units.of(rows)
    detector = _pyod_detector(job.seed, hidden_neuron_list=[WIDE_LAYER, job.code_size])
    detector.fit(units.to(rows))
    detector.evaluating_prepare()

    def rebuild(new: Rows) -> Matrix:
        standard = (units.to(new) - detector.X_mean) / detector.X_std
        with torch.no_grad():
            x = torch.as_tensor(standard, dtype=torch.float32, device=detector.device)
            rebuilt = detector.model(x).cpu().numpy().astype(np.float64)
        return units.back(rebuilt * detector.X_std + detector.X_mean)

    return rebuild


def our_outliers(rows: Rows, job: Job) -> Score:
    """Score by gpuae's detector by default, but that it need not leave out rows that are normal."""
    known = {"trim": 0.0} if job.only_normal else {}
    detector = gpuae.OutlierDetector(seed=job.seed, **known).fit(rows)
    return lambda new: -detector.decision_function(new)


def pca_outliers(rows: Rows, job: Job) -> Score:
    """Score by the squared error of a row rebuilt from PCA, in standardised units."""
    units = Units.of(rows)
    rebuild = pca(rows, job)
    return lambda new: ((units.to(rebuild(new)) - units.to(new)) ** 2).mean(axis=1)


def forest_outliers(rows: Rows, job: Job) -> Score:
    """Score by an isolation forest with its defaults."""
    model = IsolationForest(random_state=job.seed).fit(rows)
    return lambda new: -model.score_samples(new)


def pyod_outliers(rows: Rows, job: Job) -> Score:
    """Score by PyOD's AutoEncoder with its defaults, its layers included."""
    units = Units.of(rows)
    detector = _pyod_detector(job.seed).fit(units.to(rows))
    return lambda new: np.asarray(detector.decision_function(units.to(new)))


def _pyod_detector(seed: int, **options: Any) -> Any:
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    # its batches of 32 rows gain nothing from a second thread, and on a busy machine lose much
    torch.set_num_threads(1)
    return AutoEncoder(random_state=seed, verbose=0, **options)


def compressors(*, with_peers: bool) -> dict[str, Compressor]:
    """Return those that rebuild rows, by name."""
    found: dict[str, Compressor] = {OURS: ours, BOUND: pca}
    if with_peers:
        found |= {PYOD: pyod} if _has_pyod() else {}
        found[MLP] = mlp
    return found


def detectors(*, with_peers: bool) -> dict[str, Detector]:
    """Return those that score rows, by name."""
    found: dict[str, Detector] = {OURS: our_outliers, BOUND: pca_outliers, FOREST: forest_outliers}
    if with_peers and _has_pyod():
        found[PYOD] = pyod_outliers
    return found


def _has_pyod() -> bool:
    return find_spec("torch") is not None and find_spec("pyod") is not None
