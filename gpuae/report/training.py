"""What a model is and how it was trained, from its file alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from gpuae.config import Settings as AllSettings
from gpuae.functions.code_rules import CODE_RULES
from gpuae.functions.losses import LOSSES
from gpuae.model.model import Model
from gpuae.report.contents import Setting, Settings, Table
from gpuae.report.finding import held_out
from gpuae.report.subject import Subject
from gpuae.storage.provenance.lineage import SourceFile
from gpuae.words import percent


def facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield names and values of what is known of a model's making."""
    model, record = subject.model, subject.record
    known = model.attributes
    kind = "classifier" if model.classification else "autoencoder"
    yield "model", f"{kind}, file {_digest(subject.file)}"
    yield "made by", ", ".join(part for part in (record.command, record.created_by) if part)
    for source in record.sources:
        name = source.name if source.inner is None else f"{source.name}::{source.inner}"
        yield f"its {source.role.replace('_', ' ')}", f"{name}, {_digest(source)}"
    yield "measured on", f"{subject.rows_name}, {_digest(subject.source)}"
    yield "columns", f"{model.network.columns:,}{_shape(model)}"
    yield "code units", f"{model.network.code_size:,}"
    yield "numbers learnt", f"{model.network.size:,}"
    yield "device", " ".join(str(known[name]) for name in ("device", "gpu") if name in known)
    yield "seed", str(known.get("seed", model.config.seed))
    yield from _course(model)


def _digest(source: SourceFile) -> str:
    return f"SHA-256 {source.sha256}" if source.sha256 else "no hash is kept"


def _shape(model: Model) -> str:
    shape = model.image_shape
    return f", images of {' × '.join(map(str, shape))}" if shape else ""


def _course(model: Model) -> Iterator[tuple[str, str]]:
    """Yield how long training took and what it came to."""
    history, known = model.history, model.attributes
    epochs = len(history.get("epoch", ()))
    if not epochs:
        yield "epochs", "none are recorded"
        return
    yield "epochs", f"{epochs:,}{_of_all(model)}"
    best = known.get("best_epoch")
    if isinstance(best, int):
        yield "kept", _kept(history, best, epochs)
    if "seconds" in history:
        yield "time of these epochs", f"{float(history['seconds'].sum()):.1f} s"
    measured = held_out(model)
    if measured is not None:
        rows = known.get("held_out_rows", "some")
        share = percent(measured.explained_variance)
        yield "held out in training", f"{rows} rows, {share} of their variance explained"


def _of_all(model: Model) -> str:
    most = model.config.epochs
    return f" of at most {most:,}" if most is not None and not model.classification else ""


def _kept(history: Mapping[str, Any], best: int, epochs: int) -> str:
    if not 0 < best <= epochs:
        return "the start"
    told = [f"the weights of epoch {best:,}"]
    for name, words in (("loss", "loss"), ("val_loss", "loss of held-out rows")):
        value = float(history[name][best - 1]) if name in history else math.nan
        if math.isfinite(value):
            told.append(f"{words} {value:.5g}")
    return ", ".join(told)


def layers(model: Model) -> Table:
    """Return a row for each layer."""
    network, depth = model.network, model.network.depth
    last = "classes" if model.classification else "decoder"

    def part(number: int) -> str:
        return f"{number}, {'encoder' if number <= depth else last}"

    rows = tuple(
        (
            part(layer.number),
            f"{layer.n_in:,} → {layer.n_out:,}",
            "code, " * (layer.number == depth) + layer.activation,
        )
        for layer in network.layers
    )
    return Table("Layers", ("layer", "widths", "activation"), rows, text=frozenset({1, 2}))


def settings(model: Model) -> tuple[Settings, ...]:
    """Return the settings of the autoencoder, and of a classifier its own before them."""
    if model.classification is None:
        return (_settings("Settings", model.config),)
    return (
        _settings("Settings of the classifier", model.classification.config),
        _settings("Settings of the autoencoder it was made from", model.config),
    )


def _settings(title: str, config: AllSettings) -> Settings:
    told: list[Setting] = []
    default: list[Setting] = []
    for name, value in config.stored().items():
        field = type(config).model_fields[name]
        own = Setting(name, plain(value), _about(name, value) or field.description or "")
        same = getattr(config, name) == field.default
        (default if same else told).append(own)
    return Settings(title, tuple(told), tuple(default))


def _about(name: str, value: object) -> str:
    """Return what one of several choices is, where all of them would be a long list."""
    choices: dict[str, Mapping[str, Any]] = {"loss": LOSSES, "sparsity": CODE_RULES}
    return str(choices[name][str(value)].sentence) if name in choices else ""


def plain(value: object) -> str:
    """Return a setting as it is given on the command line."""
    if isinstance(value, list | tuple):
        return ",".join(plain(own) for own in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
