"""Sparse matrices of SciPy: the estimators learn from them what they learn from dense rows."""

import numpy as np
import pytest
from scipy import sparse

from gpuae import Autoencoder, AutoencoderClassifier, OutlierDetector
from gpuae.errors import InputError
from gpuae.storage.rows.sparse_rows import SparseRows

pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

QUICK = {"hidden": 3, "epochs": 2, "batch_size": 16, "device": "cpu"}
KEPT = QUICK | {"memory": "1KB"}
"""So little memory that no matrix becomes dense at once."""


@pytest.fixture
def dense():
    random = np.random.default_rng(0)
    return np.where(random.random((120, 9)) < 0.2, random.random((120, 9)), 0.0)


@pytest.fixture
def no_dense_copies(monkeypatch):
    """Let no matrix be made dense before a step, a scan or a block needs some of its rows."""
    some = SparseRows.__getitem__

    def part(self, rows):
        assert not isinstance(rows, slice) or rows != slice(None)
        return some(self, rows)

    monkeypatch.setattr(SparseRows, "__getitem__", part)
    monkeypatch.setattr("gpuae.model_estimator.as_array", None)


FORMS = [sparse.csr_matrix, sparse.csr_array, sparse.coo_array, sparse.csc_matrix, sparse.bsr_array]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("settings", [QUICK, KEPT])
def test_every_form_teaches_the_same_as_dense_rows(dense, form, settings):
    matrix = form(dense)
    known, own = Autoencoder(**QUICK).fit(dense), Autoencoder(**settings).fit(matrix)
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)
    np.testing.assert_array_equal(own.history_["val_loss"], known.history_["val_loss"])
    np.testing.assert_array_equal(own.transform(matrix), known.transform(dense))
    np.testing.assert_array_equal(own.score_samples(matrix), known.score_samples(dense))


@pytest.mark.parametrize(
    "more", [{"validation": 0.2, "folds": 1}, {"folds": 3}, {"pretrain": 1, "hidden": (5, 3)}]
)
def test_rows_stay_sparse_until_a_step_needs_them(dense, more, no_dense_copies):
    own = Autoencoder(**KEPT | more).fit(sparse.csr_array(dense))
    known = Autoencoder(**QUICK | more).fit(dense)
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)


def test_portions_and_weights_may_be_of_sparse_rows(dense, no_dense_copies):
    matrix, times = sparse.csr_array(dense), np.arange(120) % 3
    own, known = Autoencoder(**KEPT | {"folds": 1}), Autoencoder(**QUICK | {"folds": 1})
    own.fit(matrix, sample_weight=times).partial_fit(matrix[:50])
    known.fit(dense, sample_weight=times).partial_fit(dense[:50])
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)
    own, known = Autoencoder(**KEPT), Autoencoder(**QUICK)
    own.partial_fit(matrix[:60]).partial_fit(matrix[60:])
    known.partial_fit(dense[:60]).partial_fit(dense[60:])
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)


def test_a_full_batch_takes_the_rows_from_a_temporary_file(dense):
    settings = {"optimizer": "lbfgs", "batch_size": None}
    own = Autoencoder(**KEPT | settings).fit(sparse.csr_array(dense))
    known = Autoencoder(**QUICK | settings).fit(dense)
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)


def test_a_detector_and_a_classifier_take_sparse_rows(dense):
    matrix, y = sparse.csr_array(dense), np.arange(120) % 2
    detectors = [
        OutlierDetector(hidden=2, settings={"epochs": 2, "memory": memory})
        for memory in (None, "1KB")
    ]
    known, own = detectors[0].fit(dense), detectors[1].fit(matrix)
    np.testing.assert_array_equal(own.decision_scores_, known.decision_scores_)
    np.testing.assert_array_equal(own.predict(matrix), known.predict(dense))
    np.testing.assert_array_equal(own.contributions(matrix), known.contributions(dense))
    few = {"head_epochs": 2, "epochs": 2}
    named = AutoencoderClassifier(Autoencoder(**QUICK), **few).fit(dense, y)
    kept = AutoencoderClassifier(Autoencoder(**KEPT), memory="1KB", **few).fit(matrix, y)
    np.testing.assert_array_equal(kept.predict_proba(matrix), named.predict_proba(dense))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("settings", [QUICK, KEPT])
def test_values_that_are_no_numbers_are_refused_by_their_place(dense, value, settings):
    dense[7, 2] = value
    with pytest.raises(InputError, match=r"1 of 120 rows .* row 8, column 3"):
        Autoencoder(**settings).fit(sparse.csr_array(dense))
