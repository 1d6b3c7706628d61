"""Arrays of other libraries come in, and results go out in their kind."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from gpuae import Autoencoder, AutoencoderClassifier
from gpuae.array_kinds import as_host, in_kind_of
from gpuae.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

QUICK = {"hidden": 2, "epochs": 1, "folds": 1, "device": "cpu"}


@pytest.fixture
def x(low_rank):
    return (5 + 3 * low_rank(40, 5)).astype(np.float32)


def torch_kind(x):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(x).requires_grad_(), torch.Tensor


def jax_kind(x):
    jax = pytest.importorskip("jax")
    return jax.numpy.asarray(x), jax.Array


@pytest.fixture(params=[torch_kind, jax_kind])
def kind(request, x):
    return request.param(x)


def test_codes_rows_and_probabilities_are_of_the_kind_that_came_in(kind, x):
    given, own = kind
    model, known = Autoencoder(**QUICK).fit(given), Autoencoder(**QUICK).fit(x)
    codes = model.transform(given)
    assert isinstance(codes, own)
    assert isinstance(model.inverse_transform(codes), own)
    np.testing.assert_array_equal(np.asarray(codes), known.transform(x))
    np.testing.assert_array_equal(
        np.asarray(model.inverse_transform(codes)), known.inverse_transform(known.transform(x))
    )
    few = {"head_epochs": 1, "epochs": 0, "device": "cpu"}
    named = AutoencoderClassifier(Autoencoder(**QUICK), **few).fit(given, np.arange(40) % 2)
    assert isinstance(named.predict_proba(given), own)
    assert isinstance(named.predict(given), np.ndarray)


def test_a_table_that_is_asked_for_comes_before_the_kind_of_array(kind):
    pandas = pytest.importorskip("pandas")
    model = Autoencoder(**QUICK).set_output(transform="pandas").fit(kind[0])
    assert isinstance(model.transform(kind[0]), pandas.DataFrame)


def test_a_type_that_numpy_does_not_have_is_refused(x):
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"X: this torch array of torch.bfloat16 .* as float32"):
        Autoencoder(**QUICK).fit(torch.from_numpy(x).bfloat16())


class Standard:
    """An array of the Python array API, which NumPy reads by `__dlpack__` alone."""

    device = "here"

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()

    def __array_namespace__(self):
        return SimpleNamespace(asarray=lambda values, device: (type(self)(values), device))


def test_arrays_of_the_standard_are_read_and_made_by_it(x):
    np.testing.assert_array_equal(as_host(Standard(x)), x)
    made, device = in_kind_of(Standard(x), x)
    assert isinstance(made, Standard)
    assert device == "here"


def test_arrays_of_numpy_and_tables_are_left_as_they_are(x):
    for own in (x, [[1.0, 2.0]], None):
        assert as_host(own) is own
        assert in_kind_of(own, x) is x


def test_arrays_of_a_gpu_are_copied_from_it_and_to_it(x, monkeypatch):
    class OnGpu(Standard):
        """As CuPy's, which gives nothing to NumPy unasked."""

        __module__ = "cupy._core"
        device = nullcontext()

        def __dlpack__(self, **options):
            raise BufferError("it is on a GPU")

        def get(self):
            return self.values

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=OnGpu))
    model = Autoencoder(**QUICK).fit(OnGpu(x))
    codes = model.transform(OnGpu(x))
    assert isinstance(codes, OnGpu)
    np.testing.assert_array_equal(codes.values, Autoencoder(**QUICK).fit(x).transform(x))
