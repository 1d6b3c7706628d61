"""A model card: what Hugging Face and people read first, with nothing that the model does not say.

Source of the head: huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpuae.exchange.about import About
from gpuae.exchange.computation import Computation
from gpuae.model.model import Model
from gpuae.printable import one_line
from gpuae.storage import file_format
from gpuae.storage.provenance.lineage import Record
from gpuae.words import counted, percent

NAME = "README.md"
TAGS = ("autoencoder", "gpuae")
SHOWN_COLUMNS = 40
_HEAD = "---\nlibrary_name: gpuae\ntags:\n{tags}---\n"


def card(model: Model, computation: Computation, about: About, name: str, use: str) -> str:
    """Return the card of a model.

    Parameters
    ----------
    name
        Of the file that lies beside the card.
    use
        Lines of Python that use it.
    """
    tags = "".join(f"- {own}\n" for own in _tags(computation, model))
    parts = (
        _HEAD.format(tags=tags),
        f"\n# {_plain(name)}\n\n{_what(computation, about)}\n",
        _section("Use", f"```python\n{use}\n```\n"),
        _section("Data", "\n".join(_data(model, about))),
        _section("Figures", _table(dict(_figures(model)))),
        _section("Settings", _table(dict(about.settings))),
        _section("Made by", "\n".join(_made(model, about))),
    )
    return "".join(parts)


def _tags(computation: Computation, model: Model) -> Iterator[str]:
    yield from TAGS
    if computation.classifies:
        yield "tabular-classification"
    if model.config.code_rule.constrains:
        yield "sparse-autoencoder"


def _section(heading: str, text: str) -> str:
    return f"\n## {heading}\n\n{text.rstrip()}\n" if text.strip() else ""


def _what(computation: Computation, about: About) -> str:
    widths = "-".join(
        str(n) for n in (computation.columns, *(layer["outputs"] for layer in about.layers))
    )
    names = ", ".join(str(layer["activation"]) for layer in about.layers)
    kept = "" if about.k is None else f" The {about.k} largest units of a code stay."
    if computation.classifies:
        what = f"A classifier of rows of {counted(computation.columns, 'number')}, with the classes"
        return f"{what} {_listed(about.classes or ())}: {widths} ({names}).{kept}"
    return (
        f"An autoencoder that describes rows of {counted(computation.columns, 'number')} by codes "
        f"of {computation.code_size}: {widths} ({names}).{kept}"
    )


def _data(model: Model, about: About) -> Iterator[str]:
    for source in _record(model).sources:
        digest = f", SHA-256 `{source.sha256}`" if source.sha256 else ""
        yield f"- {source.role}: {_plain(source.name)}{digest}"
    if about.image_shape is not None:
        yield f"- rows are images of {' × '.join(map(str, about.image_shape))}"
    if about.columns is not None:
        more = len(about.columns) - SHOWN_COLUMNS
        rest = f" and {more} more" if more > 0 else ""
        yield f"- columns: {_listed(about.columns[:SHOWN_COLUMNS])}{rest}"


def _figures(model: Model) -> Iterator[tuple[str, object]]:
    """Yield what the model file says of its training."""
    own = model.attributes
    shares = {
        "held_out_explained_variance": "explained variance of held-out rows, preprocessed",
        "held_out_pca_explained_variance": "the same of PCA with as many components",
    }
    if "held_out_rows" in own:
        yield "held-out rows that were measured", own["held_out_rows"]
    for name, words in shares.items():
        if name in own:
            yield words, percent(float(own[name]))
    for name in ("loss", "val_loss"):
        values = model.history.get(name)
        if values is not None and len(values):
            yield f"{name} of the last epoch", f"{values[-1]:.6g}"
    if len(model.history.get("epoch", ())):
        yield "epochs", len(model.history["epoch"])
    if model.calibration is not None and model.calibration.threshold is not None:
        yield "score above which a row is an outlier", f"{model.calibration.threshold:.6g}"


def _made(model: Model, about: About) -> Iterator[str]:
    made = _record(model)
    if made.command is not None:
        yield f"- gpuae {_plain(made.command)}"
    yield from (f"- {name}: {_plain(str(value))}" for name, value in made.options.items())
    for name in ("seed", "device", "gpu"):
        if name in model.attributes:
            yield f"- {name}: {_plain(str(model.attributes[name]))}"
    yield f"- written for other programs by {_plain(about.producer)}"


def _record(model: Model) -> Record:
    text = model.attributes.get(file_format.PROVENANCE_JSON)
    return Record() if text is None else Record.model_validate_json(str(text))


def _table(rows: Mapping[str, object]) -> str:
    if not rows:
        return ""
    lines = (f"| {_plain(name)} | {_plain(_value(own))} |" for name, own in rows.items())
    return "\n".join(("| | |", "|---|---|", *lines))


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _listed(values: Any) -> str:
    return ", ".join(f"`{_plain(str(own))}`" for own in values)


def _plain(text: str) -> str:
    """Return text of strangers without what Markdown or HTML would take for its own."""
    return one_line(text).translate(_OWN_OF_MARKDOWN)


_OWN_OF_MARKDOWN = str.maketrans({"|": "¦", "`": "'", "<": "‹", ">": "›", "[": "(", "]": ")"})
