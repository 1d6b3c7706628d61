"""Figures of a model and an array, as they are asked for in a notebook."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from sklearn.exceptions import NotFittedError

from gpuae import Autoencoder, plots
from gpuae.errors import ConfigError, InputError

pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")


@pytest.fixture(scope="module")
def x():
    random = np.random.default_rng(0)
    return random.normal(size=(60, 2)) @ random.normal(size=(2, 6)) + random.normal(size=(60, 6))


@pytest.fixture(scope="module")
def fitted(x):
    return Autoencoder(3, epochs=3, folds=1, validation=0.2, device="cpu").fit(x)


ROWLESS = (plots.weights, plots.onehot, plots.history)
OF_ROWS = (plots.reconstructions, plots.codes, plots.code_map, plots.errors)


@pytest.mark.parametrize("function", ROWLESS)
def test_a_model_is_drawn(fitted, function):
    for model in (fitted, fitted.model_):
        assert function(model).axes


@pytest.mark.parametrize("function", OF_ROWS)
@pytest.mark.parametrize("form", [np.float32, lambda x: x.tolist(), np.asfortranarray])
def test_rows_are_drawn(fitted, x, function, form):
    assert function(fitted.model_, form(x)).axes


@pytest.mark.parametrize("function", OF_ROWS)
def test_an_estimator_is_as_good_as_its_model(fitted, x, function):
    assert function(fitted, x)._repr_png_() == function(fitted.model_, x)._repr_png_()


def test_columns_of_a_table_are_taken_by_name(x):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(x, columns=list("abcdef"))
    model = Autoencoder(3, epochs=3, folds=1).fit(table)
    plain = plots.code_map(model, table).axes[0].collections[0].get_offsets()
    turned = plots.code_map(model, table[list("fedcba")].assign(more=1.0))
    np.testing.assert_array_equal(turned.axes[0].collections[0].get_offsets(), plain)
    with pytest.raises(InputError, match="X: has no column 'c'"):
        plots.code_map(model, table.drop(columns="c"))


def test_labels_colour_a_map_and_name_rows(fitted, x):
    y = np.array(["left", "right"] * 30, dtype=object)
    legend = plots.code_map(fitted, x, y).axes[0].get_legend()
    assert [own.get_text() for own in legend.get_texts()] == ["left", "right"]


@pytest.mark.parametrize("function", OF_ROWS)
def test_rows_that_do_not_fit_are_refused(fitted, x, function):
    with pytest.raises(InputError, match="7 columns"):
        function(fitted, np.ones((5, 7)))
    with pytest.raises(InputError, match="NaN"):
        function(fitted, np.where(x > 2, np.nan, x))
    with pytest.raises(InputError, match="X"):
        function(fitted, x[0])


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda m, x: plots.reconstructions(m, x, count=0), "count"),
        (lambda m, x: plots.code_map(m, x, method="nonsense"), "method"),
        (lambda m, x: plots.code_map(m, x, x[:3, 0]), "labels"),
        (lambda m, x: plots.weights(m, theme="pink"), "theme"),
        (lambda m, x: plots.weights(x), "model"),
    ],
)
def test_senseless_wishes_are_refused(fitted, x, function, wrong):
    with pytest.raises((ConfigError, InputError), match=wrong):
        function(fitted, x)


def test_a_model_that_is_not_fitted_is_refused(x):
    with pytest.raises(NotFittedError):
        plots.codes(Autoencoder(3), x)


def test_importing_the_functions_imports_no_matplotlib(run_python):
    run_python(
        "import sys\n"
        "from gpuae import plots\n"
        "from gpuae.plots import weights\n"
        "assert 'weights' in dir(plots)\n"
        "assert not {'matplotlib', 'numba', 'sklearn'} & set(sys.modules)\n"
    )
    with pytest.raises(AttributeError, match="nothing"):
        _ = plots.nothing
