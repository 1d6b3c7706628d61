"""What runs come to before they are made: their settings by the data, and how many at once pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from gpuae.backends import Device
from gpuae.config import Config
from gpuae.defaults import DataFacts, held_out, resolve
from gpuae.errors import ConfigError
from gpuae.memory import available_memory
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.row_weights import that_count
from gpuae.model.statistics import RowWeights, column_statistics, share_one_range
from gpuae.sweeps.runs import Run
from gpuae.training.batches import MANY_WEIGHTS, choose_lanes, choose_tile_rows
from gpuae.training.footprint import bytes_needed
from gpuae.training.thread_team import EVALUATION_ROWS

MEMORY_SHARE = 2
"""Runs beside one another may take this part of the memory that is left: a half."""


def facts_of(x: NDArray[Any], weights: RowWeights = None, *, pixels: bool) -> DataFacts:
    """Return what settings depend on in rows (n, d), of which those of weight 0 do not count.

    `pixels` says that the columns are those of images.
    """
    if weights is not None:
        x, _ = that_count(x, weights)
    statistics = column_statistics(x)
    return DataFacts(
        rows=len(x),
        columns=x.shape[1],
        dtype=x.dtype.name,
        lowest=float(statistics.lowest.min()),
        highest=float(statistics.highest.max()),
        one_range=pixels or share_one_range(statistics),
    )


def completed(config: Config, facts: DataFacts) -> Config:
    """Return the settings that a run will have.

    Raises
    ------
    ConfigError
        Where they make no sense for these data.
    """
    config = held_out(config, facts.rows)
    own = max(1, round(facts.rows * (1 - config.resolved("validation"))))
    if (config.folds or 1) > 1:
        own = facts.rows
    return resolve(config, replace(facts, training_rows=own)).config


def checked(run: Run, facts: DataFacts) -> Run:
    """Return a run that says so where its settings make no sense for the data."""
    if run.config is None:
        return run
    try:
        completed(run.config, facts)
    except ConfigError as error:
        return Run(run.settings, None, str(error))
    return run


@dataclass(frozen=True)
class Need:
    """What a run takes of the machine.

    Attributes
    ----------
    threads
        That have something to do in a step.
    weights
        Of the network.
    memory
        Bytes, beside the data.
    """

    threads: int
    weights: int
    memory: int

    @classmethod
    def of(cls, config: Config, facts: DataFacts) -> Need:
        """Return what a completed configuration takes."""
        network = mirrored_autoencoder(config, facts.columns)
        rows = facts.rows if config.batch_size is None else min(config.batch_size, facts.rows)
        tile_rows = choose_tile_rows(config, network, rows)
        lanes = choose_lanes(config, rows, tile_rows)
        held = tile_rows * lanes + EVALUATION_ROWS
        folds = max(1, config.folds or 1)
        memory = folds * bytes_needed(network, config, held)
        return cls(lanes, network.n_weights, memory)


@dataclass(frozen=True)
class Crew:
    """How many runs are made at once, and on how many threads each; no result depends on it."""

    at_once: int
    threads: int | None


def choose_crew(
    needs: Sequence[Need], device: Device, cores: int, at_once: int | None = None
) -> Crew:
    """Return as many runs at once as pay on so many cores, or as many as were asked for.

    A core that trains a network alone waits for nobody, so one run on each core is the fastest way
    to make many, unless their weights take turns in the cache that the cores share. A device that
    all runs would share has one at a time.
    """
    if device.name != "cpu" or not needs:
        return Crew(at_once or 1, None)
    if at_once is None:
        at_once = min(cores, len(needs), _fitting(needs))
        if max(need.weights for need in needs) > MANY_WEIGHTS:
            at_once = 1
    return Crew(at_once, max(1, cores // at_once))


def _fitting(needs: Sequence[Need]) -> int:
    """Return how many of the largest runs there is memory for."""
    largest = max(need.memory for need in needs)
    return max(1, available_memory() // MEMORY_SHARE // max(1, largest))
