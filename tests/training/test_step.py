"""A step on networks that no builder makes, on targets of their own, and in two places at once."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from gpuae.backends.numpy_ops import NumpyOps
from gpuae.config import Config
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.network import Kind, Layer, Network, placed
from gpuae.model.objective import Totals, objective
from gpuae.model.statistics import column_statistics
from gpuae.training.loader import ResidentLoader
from gpuae.training.optimizers import create_optimizer
from gpuae.training.preparation import new_team, prepare
from gpuae.training.reducer import LocalReducer
from gpuae.training.team import Job, Layout, Team

ROWS, COLUMNS, OUTPUTS = 20, 6, 3
SETTINGS = {
    "hidden": (5, 4),
    "activation": "tanh",
    "output_activation": "sigmoid",
    "scale": "none",
    "dtype": "float64",
    "batch_size": ROWS,
    "weight_decay": 0.1,
    "sparsity": "kl",
    "beta": 0.3,
}


@pytest.fixture
def x():
    return np.random.default_rng(0).random((ROWS, COLUMNS))


def prepared_for(x, **more):
    order = np.arange(len(x))
    return prepare(x, order, Config.parse(SETTINGS | more), column_statistics(x, order))


def head():
    """Layers 6-5-4-3: an encoder of two layers and one layer from the code to three outputs."""
    shapes = [(COLUMNS, 5), (5, 4), (4, OUTPUTS)]
    weights = placed(Kind.WEIGHT, shapes, first=0)
    biases = placed(Kind.BIAS, [(n_out,) for _, n_out in shapes], first=weights[-1].place.stop)
    return Network(
        tuple(
            Layer(i + 1, activation, weights[i], biases[i])
            for i, activation in enumerate(("tanh", "tanh", "sigmoid"))
        ),
        code=1,
    )


def frozen(network, index):
    """Return the network with a layer that is not trained."""
    own = network.layers[index]
    still = replace(
        own, weight=replace(own.weight, trained=False), bias=replace(own.bias, trained=False)
    )
    return replace(network, layers=(*network.layers[:index], still, *network.layers[index + 1 :]))


def random_parameters(network):
    return np.random.default_rng(1).uniform(-0.8, 0.8, network.size)


@pytest.mark.parametrize("tile_rows", [None, 3])
def test_the_gradient_towards_targets_of_their_own(ops, x, tile_rows):
    targets = np.random.default_rng(2).random((ROWS, OUTPUTS))
    prepared, network = prepared_for(x, tile_rows=tile_rows), head()
    start = random_parameters(network)
    order = np.random.default_rng(3).permutation(ROWS)[:17]
    team = new_team(ops, network, prepared, x, ops.asarray(start.copy()), ROWS, targets=targets)
    direction = np.random.default_rng(4).choice([-1.0, 1.0], network.size)
    with team:

        def value_at(step):
            ops.assign(team.parameters, start + step * direction)
            return objective(team.full_gradient(order), prepared.config)

        numeric = (value_at(1e-6) - value_at(-1e-6)) / 2e-6
        value = value_at(0.0)
        analytic = ops.to_host(team.gradient) @ direction
        assert objective(team.evaluate(order), prepared.config) == pytest.approx(value, rel=1e-12)
    assert analytic == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("index", [0, 2])
def test_a_layer_that_is_not_trained_stays_and_the_others_move_as_before(ops, x, index):
    moved = {}
    prepared = prepared_for(x)
    whole = mirrored_autoencoder(prepared.config, COLUMNS)
    for name, network in (("all", whole), ("some", frozen(whole, index))):
        start = random_parameters(network)
        with new_team(ops, network, prepared, x, ops.asarray(start.copy()), ROWS) as team:
            team.start_epoch(np.arange(ROWS), 0, 0.01)
            team.run([ROWS], create_optimizer(ops, network.size, prepared.config))
            moved[name] = ops.to_host(team.parameters)
    own = whole.layers[index]
    kept = np.zeros(whole.size, bool)
    kept[own.weight.place] = kept[own.bias.place] = True
    np.testing.assert_array_equal(moved["some"][kept], random_parameters(whole)[kept])
    np.testing.assert_array_equal(moved["some"][~kept], moved["all"][~kept])
    assert (moved["all"] != random_parameters(whole)).all()


class Exchange(NumpyOps):
    """Operations with one more: to add an array of one half of a step to that of the other."""

    def exchange(self, half, array):
        half.add_others(array)


class Half:
    """A reducer of two teams, each of which has half of the rows of a step."""

    def __init__(self, barrier, given, index):
        self.barrier, self.given, self.index = barrier, given, index

    def rows(self, own):
        return 2 * own

    def code(self, ops, units):
        ops.exchange(self, units)

    def gradient(self, ops, own):
        ops.exchange(self, own)

    def add_others(self, array):
        self.given[self.index] = array.copy()
        self.barrier.wait()
        array[...] = self.given[0] + self.given[1]
        self.barrier.wait()

    def totals(self, own):
        self.given[self.index] = own
        self.barrier.wait()
        loss = sum(half.loss for half in self.given)
        code = sum(half.code for half in self.given)
        self.barrier.wait()
        return Totals(2 * own.rows, loss, code, own.squared_weights, own.penalty)


def train(x, prepared, order, reducer):
    """Take two steps of ten rows each; return the parameters and J."""
    ops, network = Exchange(), mirrored_autoencoder(prepared.config, COLUMNS)
    parameters, loader = random_parameters(network), ResidentLoader(NumpyOps(), x)
    own = (ops, network, prepared.config, prepared.preprocess, x, parameters)
    job = Job(*own, batch=len(order), reducer=reducer)
    layout = Layout(1, 1, len(order), len(order), len(order), moves_by_slice=False)
    rows = len(order) // 2
    with Team(job, layout, loader, loader) as team:
        team.start_epoch(order, 0, 0.01)
        team.run([rows, rows], create_optimizer(ops, network.size, prepared.config))
        return parameters, objective(team.totals(len(order)), prepared.config)


@pytest.mark.parametrize("rule", [{}, {"sparsity": "l1", "beta": None, "l1": 0.1}])
def test_two_halves_of_a_step_are_the_whole(x, rule):
    prepared = prepared_for(x, **rule)
    order = np.arange(ROWS)
    expected, value = train(x, prepared, order, LocalReducer())
    # each half has five of the ten rows of either step
    orders = [np.concatenate([order[:5], order[10:15]]), np.concatenate([order[5:10], order[15:]])]
    barrier, given, done = threading.Barrier(2, timeout=20), [None, None], {}

    def work(index):
        done[index] = train(x, prepared, orders[index], Half(barrier, given, index))

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for parameters, own_value in done.values():
        np.testing.assert_allclose(parameters, expected, rtol=1e-9)
        assert own_value == pytest.approx(value, rel=1e-12)
    np.testing.assert_array_equal(done[0][0], done[1][0])
