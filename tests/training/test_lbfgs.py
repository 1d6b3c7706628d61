"""Full-batch minimisation, beside SciPy's optimum."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from gpuae.backends import get_ops, resolve_device
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.lbfgs import LBFGS
from gpuae.training.preparation import new_team, prepare


class Recorded:
    """A function of a vector, as LBFGS wants it, which counts and remembers its evaluations."""

    def __init__(self, value, gradient, start):
        self.parameters = np.array(start, float)
        self.gradient = np.empty_like(self.parameters)
        self._value, self._slope = value, gradient
        self.evaluations = []

    def __call__(self):
        self.gradient[...] = self._slope(self.parameters)
        self.evaluations.append(self._value(self.parameters))
        return self.evaluations[-1]

    def minimiser(self, ops):
        return LBFGS(ops, self.parameters, self.gradient, self)


def run(minimiser, iterations):
    values = [minimiser.start()]
    while len(values) <= iterations and not minimiser.converged:
        values.append(minimiser.iterate())
    return values


@pytest.mark.parametrize("start", [[-1.2, 1.0], [-1.2, 1.0, -1.2, 1.0, 0.5], [3.0] * 20])
def test_it_finds_rosenbrocks_minimum(ops, start):
    function = Recorded(rosen, rosen_der, start)
    values = run(function.minimiser(ops), 500)
    np.testing.assert_allclose(function.parameters, 1, atol=1e-6)
    assert values[-1] < 1e-12
    assert len(function.evaluations) < 400


def test_the_value_never_rises_and_belongs_to_the_parameters(ops):
    function = Recorded(rosen, rosen_der, [-1.2, 1.0, 2.0])
    minimiser = function.minimiser(ops)
    values = [minimiser.start()]
    for _ in range(40):
        values.append(minimiser.iterate())
        assert values[-1] == rosen(function.parameters)
        np.testing.assert_allclose(function.gradient, rosen_der(function.parameters))
    assert (np.diff(values) <= 0).all()


def test_a_step_fulfils_the_strong_wolfe_conditions(ops):
    function = Recorded(rosen, rosen_der, [-1.2, 1.0])
    minimiser = function.minimiser(ops)
    value = minimiser.start()
    for _ in range(15):
        before, gradient = function.parameters.copy(), function.gradient.copy()
        new_value = minimiser.iterate()
        step = function.parameters - before
        slope = gradient @ step
        assert slope < 0
        assert new_value <= value + 1e-4 * slope
        assert abs(function.gradient @ step) <= 0.9 * abs(slope)
        value = new_value


def test_a_quadratic_is_solved_in_few_iterations(ops):
    random = np.random.default_rng(0)
    factor = random.standard_normal((30, 30))
    matrix, target = factor @ factor.T + np.eye(30), random.standard_normal(30)

    def value(x):
        return 0.5 * x @ matrix @ x - target @ x

    function = Recorded(value, lambda x: matrix @ x - target, np.zeros(30))
    values = run(function.minimiser(ops), 120)
    np.testing.assert_allclose(function.parameters, np.linalg.solve(matrix, target), atol=1e-5)
    assert values[-1] == pytest.approx(value(np.linalg.solve(matrix, target)), rel=1e-10)


def test_at_the_minimum_it_has_converged(ops):
    function = Recorded(lambda x: float(x @ x), lambda x: 2 * x, np.zeros(4))
    minimiser = function.minimiser(ops)
    assert minimiser.start() == 0
    assert minimiser.iterate() == 0
    assert minimiser.converged


def test_it_converges_when_rounding_leaves_nothing_to_gain(ops):
    function = Recorded(rosen, rosen_der, [-1.2, 1.0])
    values = run(function.minimiser(ops), 1000)
    assert len(values) < 200
    assert values[-1] < 1e-20


def test_a_wall_of_infinity_is_stepped_back_from(ops):
    """−log is infinite beyond its pole; the first step would go there."""

    def value(x):
        inside = (x > 0).all()
        return float((50 * x - np.log(x)).sum()) if inside else np.inf

    def slope(x):
        return np.where(x > 0, 50 - 1 / np.where(x > 0, x, 1), np.nan)

    function = Recorded(value, slope, [0.6, 0.3])
    run(function.minimiser(ops), 100)
    np.testing.assert_allclose(function.parameters, 0.02, rtol=1e-5)


def test_the_last_step_of_a_search_is_looked_at_too(ops):
    """J falls for as far as a search goes, but for its last step, which hits a wall."""

    def value(x):
        return float(-x[0]) if x[0] < 1.5e7 else 1e9

    function = Recorded(value, lambda x: -np.ones(1), [0.0])
    minimiser = function.minimiser(ops)
    minimiser.start()
    found = minimiser.iterate()
    assert found == value(function.parameters) == min(function.evaluations) < -8e6


def test_a_step_without_curvature_takes_no_remembered_pair_away(ops):
    random = np.random.default_rng(0)
    function = Recorded(rosen, rosen_der, random.standard_normal(20))
    minimiser = function.minimiser(ops)
    run(minimiser, 15)
    earlier = minimiser.state()
    minimiser.iterate()
    before = minimiser.state()
    np.testing.assert_array_equal(before["steps"][:-1], earlier["steps"][1:])
    assert len(before["steps"]) == 10
    slope = random.standard_normal(20)
    function._value, function._slope = lambda x: float(slope @ x), lambda x: slope
    minimiser.start()
    minimiser.iterate()
    after = minimiser.state()
    for name in ("steps", "changes", "inverses"):
        np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize("slope", [1e160, np.inf, np.nan])
def test_a_gradient_that_cannot_be_squared_is_no_convergence(ops, slope):
    function = Recorded(lambda x: 1.0, lambda x: np.full(2, slope), [1.0, 2.0])
    minimiser = function.minimiser(ops)
    minimiser.start()
    with np.errstate(over="ignore"):
        assert np.isnan(minimiser.iterate())
    assert function.parameters.tolist() == [1, 2]


def test_a_start_that_is_no_number_stays_no_number(ops):
    function = Recorded(lambda x: np.nan, lambda x: np.full(2, np.nan), [1.0, 2.0])
    minimiser = function.minimiser(ops)
    assert np.isnan(minimiser.start())
    assert np.isnan(minimiser.iterate())
    assert minimiser.converged


CONFIGS = {
    "sparse": {"hidden": (3,), "sparsity": "kl", "rho": 0.2, "beta": 0.1, "loss": "sse"},
    "linear": {"hidden": (2,), "activation": "identity", "scale": "standard", "init": "glorot"},
    "tied": {"hidden": (3,), "activation": "tanh", "decoder": "tied", "loss": "bce"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_autoencoders_reach_scipys_optimum(device, low_rank, name):
    """With weight decay the minimum is a point, which both have to find from the same start."""
    x = low_rank(60, 6)
    config = Config.parse(
        {"optimizer": "lbfgs", "dtype": "float64", "weight_decay": 0.02, **CONFIGS[name]}
    )
    rows = np.arange(60)
    prepared = prepare(x, rows, config, column_statistics(x, rows))
    network = mirrored_autoencoder(prepared.config, 6)
    ops = get_ops(resolve_device(device))
    start = initial_parameters(network, prepared.config)
    parameters = start.copy()
    with new_team(ops, network, prepared, x, parameters, 60) as team:

        def evaluate():
            return objective(team.full_gradient(rows), prepared.config)

        own = run(LBFGS(ops, parameters, team.gradient, evaluate), 600)
        found = parameters.copy()

        def for_scipy(vector):
            parameters[...] = vector
            return evaluate(), team.gradient.copy()

        options = {"maxiter": 3000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-9}
        best = minimize(for_scipy, start, jac=True, method="L-BFGS-B", options=options)
        slope = np.abs(for_scipy(found)[1]).max()
    assert own[-1] == pytest.approx(best.fun, rel=1e-6)
    assert slope < 1e-5
