"""The rows that a command learns from, and what it finds before it reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpuae.cli.base import say

if TYPE_CHECKING:
    from gpuae.config import Config
    from gpuae.importers import ReadOptions
    from gpuae.storage.rows.dataset import Dataset


def check_device(config: Config) -> None:
    """Let a device that is not there end it here, and say if the CPU has to be compiled for."""
    from gpuae.backends import needs_compiling, resolve_device

    if needs_compiling(resolve_device(config.device)):
        say("compiling for this CPU, once: some seconds now and for each new kind of network")


def open_rows(data: str, reading: ReadOptions, config: Config) -> Dataset:
    """Open rows, tell what was chosen in reading them, and check their values."""
    from gpuae.importers import open_data
    from gpuae.memory import data_memory
    from gpuae.storage.rows.row_blocks import check_finite

    dataset = open_data(data, memory=data_memory(config.memory), options=reading)
    for note in dataset.notes:
        say(f"note: {note}")
    check_finite(dataset.x, dataset.source, missing=reading.missing)
    return dataset


def open_like(
    dataset: Dataset, data: str | None, reading: ReadOptions, config: Config
) -> Dataset | None:
    """Open rows with the columns of a dataset: by name where there are names, else the same way."""
    from gpuae.errors import InputError
    from gpuae.importers import ImageOptions
    from gpuae.storage.rows.categorical import widths

    if data is None:
        return None
    if dataset.feature_names is not None:
        reading = replace(reading, columns=None, id_column=None, label_column=None)
    numbers = dataset.x.shape[1] - sum(widths(dataset.categorical))
    reading = replace(
        reading,
        names=dataset.feature_names and dataset.feature_names[:numbers],
        names_of=dataset.source,
        categorical=None,
        known=dataset.categorical,
        images=ImageOptions.like(dataset.image_shape),
    )
    opened = open_rows(data, reading, config)
    if opened.x.shape[1] != dataset.x.shape[1]:
        raise InputError(
            f"{opened.source} has {opened.x.shape[1]} columns and {dataset.source} "
            f"{dataset.x.shape[1]}; give validation data of the same columns"
        )
    return opened
