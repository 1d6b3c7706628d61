"""Greedy layer-wise training: each layer alone, as an autoencoder of the codes of the one below.

Its weights are those that the layer and its mirror in the decoder have in the whole network, so all
of them together are what training of the whole begins with. Sources: Y. Bengio et al., "Greedy
layer-wise training of deep networks", 2007; P. Vincent et al., "Stacked denoising autoencoders",
2010, section 3.5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.backends.ops import Ops
from gpuae.config import BY_LAYER, WHITEN_EPSILON, Config
from gpuae.defaults import penalty_weight
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES
from gpuae.machine import Machine
from gpuae.memory import data_memory
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.model import Model
from gpuae.model.network import Network
from gpuae.model.preprocess import fit_preprocess
from gpuae.model.statistics import RowWeights, column_statistics
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.training.batches import Order
from gpuae.training.checkpoint import CheckpointSaver
from gpuae.training.history import Observer
from gpuae.training.preparation import Prepared, new_team
from gpuae.training.state import State, check_fits, damaged
from gpuae.training.trainer import Build, Ending, Trainer, TrainingResult

NO_ROWS: Order = np.arange(0)
LAYER, PARAMETERS = "pretrain/layer", "pretrain/parameters"
"""Names in a state that is one of a layer alone: its index, and all weights before it."""
EPOCHS, SECONDS = "pretrain/epochs", "pretrain/seconds"
"""Names in every state of a network with pretrain: what the layers before have taken."""


@dataclass(frozen=True)
class Pretraining:
    """Trains the layers of a network one after the other.

    Attributes
    ----------
    network, prepared
        The whole network, its settings and preprocessing.
    x
        All rows (n, d), of which `rows` are trained on.
    build
        Returns the model that the flat vector (network.size,), on the host, comes to.
    weights
        How much each row counts, 1 on average over the rows trained on.
    """

    ops: Ops
    network: Network
    prepared: Prepared
    x: NDArray[Any]
    rows: Order
    build: Callable[[NDArray[Any]], Model]
    weights: RowWeights

    def train(
        self,
        flat: NDArray[Any],
        watcher: Observer,
        saver: CheckpointSaver | None,
        state: State | None,
    ) -> TrainingResult:
        """Train the layers in flat (network.size,), on the host, from a state of one if given.

        Returns how it went on the whole: the first layer that does not come to its end ends it.
        """
        whole, began = TrainingResult() if state is None else told_by(state), time.perf_counter()
        first = 0 if state is None else self._restore(flat, state)
        began -= whole.seconds_pretrained
        try:
            for index, layer, x in self._layers(flat, first):
                watcher.stage_starts(f"layer {index + 1} of {self.network.depth}")
                own = state if index == first else None
                build = self._builder(index, layer, x, flat)
                if saver is not None:
                    before = {LAYER: np.array(index), PARAMETERS: flat.copy(), **spent(whole)}
                    saver.start_stage(build, before)
                result = self._train_layer(index, layer, x, flat, watcher, build, saver, own)
                whole.epochs_pretrained += result.epochs
                whole.seconds_pretrained = time.perf_counter() - began
                whole.saved, whole.lost_epoch = result.saved, result.lost_epoch
                if result.ending in (Ending.INTERRUPTED, Ending.DIVERGED):
                    whole.ending = result.ending
                    break
        except KeyboardInterrupt:  # between two layers, where the checkpoint has the one before
            whole.ending = Ending.INTERRUPTED
        whole.seconds_pretrained = time.perf_counter() - began
        return whole

    def _layers(
        self, flat: NDArray[Any], first: int
    ) -> Iterator[tuple[int, Prepared, NDArray[Any]]]:
        """Yield from the first on the index of each layer, how it is trained, and its rows."""
        x, own = self.x, self._prepared(0, self.x)
        memory = data_memory(self.prepared.config.memory)
        with ExitStack() as stack:
            for index in range(self.network.depth):
                if index:
                    shape = (len(x), self.network.layers[index - 1].n_out)
                    with stack.pop_all():  # of the layer below, whose rows are let go then
                        codes = stack.enter_context(scratch(shape, own.config.dtype, memory))
                        self._encode(index - 1, own, x, flat, codes)
                    x, own = codes, self._prepared(index, codes)
                if index >= first:
                    yield index, own, x

    def _encode(
        self,
        index: int,
        own: Prepared,
        x: NDArray[Any],
        flat: NDArray[Any],
        codes: NDArray[Any],
    ) -> None:
        """Write what a layer makes of rows in the whole network, where only the code has a rule."""
        config = own.config.model_copy(update={"sparsity": "none"})
        model = Model(config, self._taken(index, own, flat), own.preprocess)
        encoding.encode(model, x, encoding.into(codes), machine=Machine.of(own.config))

    def _prepared(self, index: int, x: NDArray[Any]) -> Prepared:
        config = layer_config(self.prepared, self.network, index)
        if index == 0:
            return Prepared(config, self.prepared.preprocess)
        statistics = column_statistics(x, self.rows, self.weights)
        preprocess = fit_preprocess(x, self.rows, config, statistics, self.weights)
        return Prepared(config, preprocess)

    def _train_layer(
        self,
        index: int,
        own: Prepared,
        x: NDArray[Any],
        flat: NDArray[Any],
        watcher: Observer,
        build: Build,
        saver: CheckpointSaver | None,
        state: State | None,
    ) -> TrainingResult:
        """Train a layer and put its weights into flat."""
        network = mirrored_autoencoder(own.config, x.shape[1])
        parameters = self.ops.empty((network.size,), own.config.dtype)
        self.ops.assign(parameters, self._taken(index, own, flat))
        given = (self.ops, network, own, x, parameters, len(self.rows))
        with new_team(*given, row_weights=self.weights) as team:
            trainer = Trainer(self.ops, team, own.config, self.rows, NO_ROWS, watcher, build, saver)
            result = trainer.train(state)
        self._put(index, network, self.ops.to_host(parameters), flat)
        return result

    def _builder(self, index: int, own: Prepared, x: NDArray[Any], flat: NDArray[Any]) -> Build:
        """Return what makes the whole model of a layer's own weights."""
        network = mirrored_autoencoder(own.config, x.shape[1])

        def model(_: TrainingResult, kept: Any) -> Model:
            whole = flat.copy()
            self._put(index, network, self.ops.to_host(kept), whole)
            return self.build(whole)

        return model

    def _taken(self, index: int, own: Prepared, flat: NDArray[Any]) -> NDArray[Any]:
        """Return the weights of a layer and its mirror, laid out as its own network's."""
        network = mirrored_autoencoder(own.config, self.network.layers[index].n_in)
        taken = np.empty(network.size, flat.dtype)
        for part, whole in self._pairs(index, network, taken, flat):
            part[...] = whole
        return taken

    def _put(self, index: int, network: Network, trained: NDArray[Any], flat: NDArray[Any]) -> None:
        for part, whole in self._pairs(index, network, trained, flat):
            whole[...] = part

    def _pairs(
        self, index: int, network: Network, own: NDArray[Any], flat: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield the arrays of a layer's own network, each beside the same of the whole."""
        views = self.network.views(flat)
        mirror = len(views) - 1 - index
        for part, whole in zip(network.views(own), (views[index], views[mirror]), strict=True):
            yield part.weight, whole.weight
            yield part.bias, whole.bias

    def _restore(self, flat: NDArray[Any], state: State) -> int:
        """Put the weights of a state in and return the index of its layer."""
        check_fits(state, {LAYER: np.array(0), PARAMETERS: flat}, ())
        index, parameters = int(state[LAYER]), state[PARAMETERS]
        if not 0 <= index < self.network.depth:
            raise damaged(f"{LAYER} is no layer of this network")
        if not np.isfinite(parameters).all():
            raise damaged(f"{PARAMETERS} holds NaN or infinite values")
        flat[...] = parameters
        return index


def spent(result: TrainingResult) -> State:
    """Return what a state has to say of layers that were trained before it."""
    return {
        EPOCHS: np.array(result.epochs_pretrained),
        SECONDS: np.array(float(result.seconds_pretrained)),
    }


def spent_in(state: State) -> State:
    """Return the same of a state.

    Raises
    ------
    InputError
        Where it does not say so.
    """
    check_fits(state, spent(TrainingResult()), ())
    return {name: state[name] for name in (EPOCHS, SECONDS)}


def told_by(state: State) -> TrainingResult:
    """Return a result of layers that a state says were trained before it."""
    own = spent_in(state)
    return TrainingResult(
        epochs_pretrained=int(own[EPOCHS]), seconds_pretrained=float(own[SECONDS])
    )


def layer_config(prepared: Prepared, network: Network, index: int) -> Config:
    """Return the settings by which one layer of a network is trained alone."""
    config, layer = prepared.config, network.layers[index]
    own: dict[str, Any] = {name: config.of_layer(name, index) for name in _set(config)}
    output = network.layers[len(network.layers) - 1 - index].activation
    own |= {
        "hidden": (layer.n_out,),
        "depth": 1,
        "activation": layer.activation,
        "code_activation": layer.activation,
        "output_activation": output,
        "epochs": own["pretrain"],
        "pretrain": 0,
        "seed": (config.seed + index) % (1 << 64),
        "tile_rows": None,
        "noise": config.noise if own["noise_level"] else "none",
        **{"validation": 0.0, "folds": 1, "patience": 0, "trim": 0.0, "contamination": None},
    }
    if index:
        own |= {"scale": "none", "whiten": "none", "missing": "refuse"}
        own["whiten_epsilon"] = WHITEN_EPSILON
        own |= _inner_loss(config, network.layers[index - 1].activation, output)
    alone = config.model_copy(update=own)
    rule = alone.code_rule
    if rule.weight is not None and rule.weight[0] in prepared.reasons:
        weight, _ = penalty_weight(alone, layer.n_in)
        alone = alone.model_copy(update={rule.weight[0]: weight})
    return Config.parse(alone.model_dump(), source=f"layer {index + 1}")


def _set(config: Config) -> list[str]:
    return [name for name in BY_LAYER if getattr(config, name) is not None]


def _inner_loss(config: Config, activation: str, output: str) -> dict[str, Any]:
    """Return the loss of a layer that rebuilds codes: the network's own where it suits them."""
    loss = LOSSES[config.loss]
    if loss.takes(output) and loss.targets.include(*ACTIVATIONS[activation].range):
        return {}
    return {"loss": "mse" if loss.keeps_size else "sse", "huber_delta": None}
