"""What the estimators share: a fitted model, the rows that it takes, what it makes of them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from gpuae import encoding
from gpuae.array_kinds import as_host, in_kind_of
from gpuae.backends import resolve_device
from gpuae.callbacks import CallbackSupportMixin
from gpuae.errors import ConfigError, DeviceError, GpuaeWarning
from gpuae.machine import Machine
from gpuae.memory import data_memory
from gpuae.model.model import Model
from gpuae.model.row_weights import checked_weights, weights_sha256
from gpuae.model.statistics import RowWeights
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.row_blocks import check_finite
from gpuae.storage.rows.sparse_rows import SparseRows
from gpuae.storage.rows.views import as_array

if TYPE_CHECKING:
    from gpuae.tables import MixedRows

ROW_TYPES = (
    *(np.float64, np.float32),
    *(np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
)
"""Types that rows may keep; any other numbers become the first."""
NAME_CATEGORIES = 'give fit categorical="auto", or leave it out'
"""What to do about a column of text where `fit` takes categories."""
AS_THEY_ARE = {
    "accept_sparse": "csr",
    "dtype": ROW_TYPES,
    "order": "C",
    "ensure_all_finite": False,
}
"""How rows are validated: what is no number is found later, where it can be said what helps."""
LARGEST_DRAW = np.iinfo(np.int32).max
"""As scikit-learn draws seeds."""
BETWEEN = ("gpuae", "sklearn", "joblib")
"""Packages whose code may lie between a method and the line that a warning is about."""


@contextmanager
def naming_text(X: Any, remedy: str) -> Iterator[None]:
    """Say which column of a DataFrame holds text, where that is why its rows are refused."""
    try:
        yield
    except ValueError:
        if hasattr(X, "columns"):
            from gpuae.tables import refuse_text

            refuse_text(X, remedy)
        raise


class ModelEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator whose `fit` leaves a `model_`."""

    model_: Model
    seed: int
    random_state: int | np.random.RandomState | None
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
        tags.input_tags.sparse = True
        return tags

    def _allows_missing(self) -> bool:
        """Whether the settings let values be missing."""
        raise NotImplementedError

    def _new_rows(self, X: Any, remedy: str) -> Any:
        """Return the rows (n, d) to learn from, and remember their columns.

        Parameters
        ----------
        remedy
            What to do about a DataFrame's column of text.

        Raises
        ------
        InputError
            For such a column, by its name, and for values that cannot be used.
        """
        with naming_text(X, remedy):
            given = validate_data(self, as_host(X), **AS_THEY_ARE)
        return self._checked(given, missing=self._allows_missing(), to_train=True)

    def _checked(self, given: Any, *, missing: bool, to_train: bool) -> Any:
        """Return rows (n, d) of an array or a CSR matrix whose values can be used.

        A matrix that is too large to be dense in memory stays sparse, where that serves: lbfgs, a
        GPU and a classifier train on dense rows, which are then in a temporary file.
        """
        if not issparse(given):
            check_finite(given, "X", missing=missing)  # says what helps
            return given
        rows = SparseRows(given)
        if not np.isfinite(given.data).all():
            check_finite(rows, "X", missing=missing)
        if rows.nbytes <= data_memory(self._data_memory()):
            return rows[:]
        return as_array(rows, rows) if to_train and not self._trains_on_sparse() else rows

    def _data_memory(self) -> str | None:
        """Return the setting `memory`."""
        return getattr(self, "memory", None)

    def _trains_on_sparse(self) -> bool:
        """Whether steps can take sparse rows."""
        raise NotImplementedError

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

    def _known_rows(self, X: Any, *, to_train: bool = False) -> Any:
        """Return rows (n, d) of the columns that are known from training."""
        check_is_fitted(self, "model_")
        if self.model_.categorical:
            from gpuae.tables import known_rows

            missing = self.model_.preprocess.fill is not None
            known = known_rows(X, self.model_, self._titles, missing=missing)
            check_finite(known, "X", missing=missing)
            return known
        given = validate_data(self, as_host(X), reset=False, **AS_THEY_ARE)
        missing = self.model_.preprocess.fill is not None
        return self._checked(given, missing=missing, to_train=to_train)

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

    def _scores(self, rows: AnyRows, note: encoding.Note | None = None) -> NDArray[np.float64]:
        """Return how unlike the training rows each row (n, d) is, (n,)."""
        out = np.empty(len(rows))
        encoding.score(self.model_, rows, encoding.into(out), machine=self._machine, note=note)
        return out

    def _gives_tables(self, method: str) -> bool:
        """Whether `set_output` turns what a method returns into a DataFrame."""
        own = getattr(self, "_sklearn_output_config", {}).get(method)
        return bool((own or get_config()["transform_output"]) != "default")

    @property
    def _machine(self) -> Machine:
        return Machine(self._device_there(), self.threads)

    def _device_there(self) -> str:
        """Return the device to use a model on: one that was trained on a GPU needs none."""
        if not self.device.startswith("cuda"):
            return self.device
        try:
            resolve_device(self.device)
        except DeviceError as error:
            warn(f"{error}; this time it was device=auto, which is enough to use a model")
            return "auto"
        return self.device

    def _drawn_seed(self) -> int:
        """Return the seed of a fit; a RandomState gives each fit another one.

        Raises
        ------
        ConfigError
            For a `random_state` that is none.
        """
        given = self.random_state
        if given is None:
            return self.seed
        if isinstance(given, np.random.RandomState):
            return int(given.randint(LARGEST_DRAW))
        if isinstance(given, Integral) and not isinstance(given, bool) and given >= 0:
            return int(given)
        raise ConfigError(
            f"random_state: {given!r} is no seed; give an integer of 0 or more, a "
            "numpy.random.RandomState, or None to use `seed`"
        )

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
            Rows (n, d) of the columns that it was fitted on; a matrix of SciPy stays sparse.

        Returns
        -------
        ndarray of shape (n, k)
            Codes, in the type of the settings (`dtype`); for an array of another library (PyTorch,
            JAX, CuPy) one of its kind.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        rows = self._known_rows(X)
        out = np.empty((len(rows), self.model_.network.code_size), self.model_.config.dtype)
        encoding.encode(self.model_, rows, encoding.into(out), machine=self._machine, note=warn)
        return out if self._gives_tables("transform") else in_kind_of(X, out)

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
