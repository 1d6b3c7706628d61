"""Pictures as a page gets them: as JSON, with their many numbers packed, and no more than it shows.

Images come as bytes, 0 where there is nothing, 1 for `low` and 255 for `high`; other numbers as
float32, both in base64.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.pictures.picture import Panel, Picture, Profiles, Tiles, as_json

FEW = 32
"""Numbers that are sent as they are."""
MOST_PIXELS = 96
"""Of a side of an image."""
MOST_COLUMNS = 600
"""Of a curve in a small plot."""

Parts: TypeAlias = dict[str, Any]


def packed(picture: Picture) -> Parts:
    """Return a picture for JSON."""
    panels, notes = zip(*(_lighter(panel) for panel in picture.panels), strict=True)
    said = dict.fromkeys((*picture.notes, *(note for note in notes if note)))
    own = as_json(replace(picture, panels=(), notes=tuple(said)))
    return {**own, "panels": [packed_panel(panel) for panel in panels]}


def packed_panel(panel: Panel) -> Parts:
    """Return a panel for JSON."""
    parts: Parts = {"kind_of": type(panel).__name__}
    for name in panel.__dataclass_fields__:
        value = getattr(panel, name)
        if isinstance(panel, Tiles) and name == "images":
            parts[name] = _bytes(value, panel.low, panel.high)
        else:
            parts[name] = _packed(value)
    return parts


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size > FEW:
        with np.errstate(over="ignore"):
            narrow = np.ascontiguousarray(value, "<f4")
        return {"float32": b64encode(narrow.tobytes()).decode(), "shape": value.shape}
    if isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
        return [{n: _packed(getattr(own, n)) for n in own.__dataclass_fields__} for own in value]
    return as_json(value)


def _bytes(images: NDArray[np.float64], low: float, high: float) -> Parts:
    there = np.isfinite(images)
    shares = (np.where(there, images, low) - low) / ((high - low) or 1.0)
    pixels = np.where(there, 1.0 + np.rint(254.0 * np.clip(shares, 0.0, 1.0)), 0.0)
    return {"uint8": b64encode(pixels.astype(np.uint8).tobytes()).decode(), "shape": images.shape}


def _lighter(panel: Panel) -> tuple[Panel, str]:
    """Return a panel without what is too fine for a page, and say so."""
    if isinstance(panel, Tiles):
        every = -(-max(panel.images.shape[1:3], default=1) // MOST_PIXELS)
        if every > 1:
            note = f"of each image every {_nth(every)} pixel is shown, across and down"
            return replace(panel, images=panel.images[:, ::every, ::every]), note
    if isinstance(panel, Profiles) and not panel.bars:
        every = -(-panel.values.shape[-1] // MOST_COLUMNS)
        if every > 1:
            thin = replace(panel, values=panel.values[..., ::every], x=panel.x[::every])
            return thin, f"of each curve every {_nth(every)} column is shown"
    return panel, ""


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else endings.get(number % 10, 'th')}"
