"""What the estimators share: a fitted model, the rows that it takes, what it makes of them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gpuae import encoding
from gpuae.errors import GpuaeWarning
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.model.row_weights import checked_weights, weights_sha256
from gpuae.model.statistics import RowWeights
from gpuae.storage.rows.row_blocks import check_finite

if TYPE_CHECKING:
    from gpuae.tables import MixedRows

ROW_TYPES = (
    *(np.float64, np.float32),
    *(np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
)
"""Types that rows may keep; any other numbers become the first."""
BETWEEN = ("gpuae", "sklearn", "joblib")
"""Packages whose code may lie between a method and the line that a warning is about."""


class ModelEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose `fit` leaves a `model_`."""

    model_: Model
    device: str
    threads: int | None

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model to an HDF5 file, which `gpuae.load` and the commands read.

        Parameters
        ----------
        path
            Where to write it.
        force
            Whether to replace a file that exists.

        Raises
        ------
        OutputError
            Where the file exists (without `force`) or cannot be written.
        """
        check_is_fitted(self, "model_")
        self.model_.save(Path(path), force=force)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._allows_missing()
        return tags

    def _allows_missing(self) -> bool:
        """Whether the settings let values be missing."""
        raise NotImplementedError

    def _new_rows(self, X: Any) -> NDArray[Any]:
        """Return the rows (n, d) to learn from, and remember their columns."""
        rows: NDArray[Any] = validate_data(
            self, X, dtype=ROW_TYPES, order="C", ensure_all_finite=False
        )
        check_finite(rows, "X", missing=self._allows_missing())  # says what helps
        return rows

    def _mixed_rows(self, X: Any, categorical: str | Sequence[str | int]) -> MixedRows:
        """Return rows to learn from of a table with categories, and remember its columns."""
        from gpuae.tables import learn_rows

        mixed = learn_rows(X, categorical, missing=self._allows_missing())
        check_finite(mixed.x, "X", missing=self._allows_missing())
        self._take_titles(mixed.titles, named=mixed.feature_names is not None)
        return mixed

    def _take_titles(self, titles: Sequence[str], *, named: bool) -> None:
        """Remember the columns of a table."""
        self.n_features_in_ = len(titles)
        self._titles = tuple(titles)
        if named:
            self.feature_names_in_ = np.array(titles, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _known_rows(self, X: Any) -> NDArray[Any]:
        """Return rows (n, d) of the columns that are known from training."""
        check_is_fitted(self, "model_")
        if self.model_.categorical:
            from gpuae.tables import known_rows

            missing = self.model_.preprocess.fill is not None
            known = known_rows(X, self.model_, self._titles, missing=missing)
            check_finite(known, "X", missing=missing)
            return known
        rows: NDArray[Any] = validate_data(
            self, X, reset=False, dtype=ROW_TYPES, order="C", ensure_all_finite=False
        )
        check_finite(rows, "X", missing=self.model_.preprocess.fill is not None)
        return rows

    def _row_weights(self, sample_weight: Any, rows: int, *, alike: bool = False) -> RowWeights:
        """Return how much each of so many rows counts; a single number is that of all rows.

        None where all count the same, unless such weights are to be told from those of other rows:
        `alike`.
        """
        if sample_weight is None:
            return None
        if isinstance(sample_weight, Real):
            sample_weight = np.full(rows, float(sample_weight))
        weights = checked_weights(sample_weight, rows, "sample_weight")
        return weights if alike or np.ptp(weights) else None

    def _scores(self, rows: NDArray[Any], note: encoding.Note | None = None) -> NDArray[np.float64]:
        """Return how unlike the training rows each row (n, d) is, (n,)."""
        out = np.empty(len(rows))
        encoding.score(self.model_, rows, encoding.into(out), machine=self._machine, note=note)
        return out

    @property
    def _machine(self) -> Machine:
        return Machine(self.device, self.threads)

    def _names(self) -> tuple[str, ...] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else tuple(map(str, names))

    def _take_columns(self, model: Model) -> None:
        """Take the number and names of the columns from a model that was read."""
        if model.categorical:
            from gpuae.tables import titles_of

            self._take_titles(titles_of(model), named=model.feature_names is not None)
            return
        self.n_features_in_ = model.network.columns
        if model.feature_names is not None:
            self.feature_names_in_ = np.array(model.feature_names, dtype=object)


class CodingEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ModelEstimator):  # type: ignore[misc]
    """An estimator whose model turns rows into codes."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the code of each row, as the trained encoder makes it.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n, k)
            Codes, in the type of the settings (`dtype`).

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        rows = self._known_rows(X)
        out = np.empty((len(rows), self.model_.network.code_size), self.model_.config.dtype)
        encoding.encode(self.model_, rows, encoding.into(out), machine=self._machine, note=warn)
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes have the dtype of the settings
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.network.code_size


def told_of(weights: RowWeights) -> dict[str, str]:
    """Return what a model says of the weights of the rows that it was made from."""
    return {} if weights is None else {"weights_sha256": weights_sha256(weights)}


def warn(message: str, category: type[Warning] = GpuaeWarning) -> None:
    """Warn of the line outside of the packages between, whichever of them called which."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
