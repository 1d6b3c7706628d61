"""What a person may say about how a file of rows is to be read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from gpuae.storage.rows.categorical import Categorical

CHANNELS = {"grey": 1, "colour": 3}
"""Of a pixel."""
LONG_LIST = 8192
"""Characters of a list of columns beyond which files keep its hash only: they have little room."""


@dataclass(frozen=True)
class PatchOptions:
    """How images are cut into rows."""

    size: tuple[int, int]
    """Height and width of a patch in pixels."""
    count: int | None = None
    """Patches at positions drawn at random; None: all tiles side by side."""
    seed: int = 0
    """Of the positions."""
    grey: bool = False
    """Whether colours are turned into grey."""

    def requested(self) -> dict[str, str]:
        """Return what decides the rows, by the names of the options."""
        height, width = self.size
        drawn = {} if self.count is None else {"count": str(self.count), "seed": str(self.seed)}
        grey = {"grey": "yes"} if self.grey else {}
        return {"patches": f"{height}x{width}", **drawn, **grey}


@dataclass(frozen=True)
class ImageOptions:
    """How whole images become rows."""

    size: tuple[int, int] | None = None
    """Height and width that they are scaled to; None: all have the same."""
    channels: int | None = None
    """1 for grey, 3 for colours; None: all have the same."""

    @classmethod
    def like(cls, shape: tuple[int, ...] | None) -> Self | None:
        """Return what makes images of the shape that rows have; None where they are no images."""
        if shape is None or len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)):
            return None
        return cls((shape[0], shape[1]), *(shape[2:] or (1,)))

    def requested(self) -> dict[str, str]:
        """Return what decides the rows, by the names of the options."""
        size = {} if self.size is None else {"size": f"{self.size[0]}x{self.size[1]}"}
        return size | {name: "yes" for name in CHANNELS if CHANNELS[name] == self.channels}


@dataclass(frozen=True)
class SoundOptions:
    """How recordings become rows."""

    window: float = 0.025
    """Seconds that a row is about."""
    hop: float = 0.01
    """Seconds from the beginning of one to that of the next."""
    rate: int | None = None
    """Samples a second that recordings are brought to; None: all have the same."""
    amplitude: bool = False
    """Whether rows hold amplitudes instead of levels in dB."""

    def requested(self) -> dict[str, str]:
        """Return what decides the rows, by the names of the options."""
        times = {"window": f"{1000 * self.window:g}ms", "hop": f"{1000 * self.hop:g}ms"}
        rate = {} if self.rate is None else {"rate": str(self.rate)}
        return {"sound": "yes"} | times | rate | ({"amplitude": "yes"} if self.amplitude else {})


@dataclass(frozen=True)
class ReadOptions:
    """Which columns are what, how a table of text is written, and whether values may be missing."""

    columns: str | None = None
    """The features, as `column_selection` reads them; None: every column that nothing else is."""
    id_column: str | None = None
    """Name of the column that identifies rows; of tables only."""
    label_column: str | None = None
    """Name of the column of labels; of tables only."""
    weight_column: str | None = None
    """Name of the column of the rows' weights; of tables only."""
    missing: bool = False
    """Whether cells may be empty; they become NaN."""
    wide: bool = False
    """Whether the features of a table of text are to be exact in float32 or stay float64, for
    computing in float64."""
    names: tuple[str, ...] | None = None
    """Features to take by name, in this order, where the columns have names; of these no member
    of `known`."""
    names_of: str = ""
    """What messages call whatever has these features: the model's file."""
    header: bool | None = None
    """Whether the first row of a table of text names the columns; None: as it looks."""
    decimal: str | None = None
    """What stands before the fraction of a number in a table of text: a comma, or else a point."""
    delimiter: str | None = None
    """What separates the cells of a table of text; None: as it looks."""
    na_values: tuple[str, ...] = ()
    """Cells of a table of text that stand for missing values, beside the usual ones."""
    categorical: str | None = None
    """Columns of a table that hold categories, as `column_selection` reads them."""
    times: str | None = None
    """Columns of a table that hold dates and times, as `column_selection` reads them."""
    known: Categorical = ()
    """Categories to take, by the names of their columns, of which the rows may hold no others."""
    ignores_unknown: bool = False
    """Whether rows may hold other categories all the same, which then count as none."""
    patches: PatchOptions | None = None
    """How images are cut into rows; None: they are not cut."""
    images: ImageOptions | None = None
    """How whole images become rows, where that is said."""
    sound: SoundOptions | None = None
    """How recordings become rows; None: what is given is none."""
    before: ReadOptions | None = None
    """What was requested of the rows that the model has learnt from: it holds as far as it fits
    where nothing else is requested now."""

    @classmethod
    def of_record(cls, requested: Mapping[str, object]) -> Self:
        """Return options from what `requested` gave, which may have come from a file."""
        known = {name: value for name, value in requested.items() if isinstance(value, str)}
        words = known.get("na_values")
        return cls(
            columns=known.get("columns"),
            id_column=known.get("id_column"),
            label_column=known.get("label_column"),
            weight_column=known.get("weight_column"),
            header={"yes": True, "no": False}.get(known.get("header", "")),
            decimal=known.get("decimal"),
            na_values=tuple(words.split(",")) if words else (),
            times=known.get("times"),
        )

    def for_text(self) -> ReadOptions:
        """Return these options with what was requested before of how a table of text is written."""
        if self.before is None:
            return self
        return replace(
            self,
            header=self.before.header if self.header is None else self.header,
            decimal=self.decimal or self.before.decimal,
            na_values=self.na_values or self.before.na_values,
        )

    def requested(self) -> dict[str, str]:
        """Return what a person has requested of the rows, by the names of the options."""
        header = None if self.header is None else ("yes" if self.header else "no")
        named = {
            **_listed("columns", self.columns),
            **_listed("categorical", self.categorical),
            **_listed("times", self.times),
            "unknown": "ignore" if self.ignores_unknown else None,
            "id_column": self.id_column,
            "label_column": self.label_column,
            "weight_column": self.weight_column,
            "header": header,
            "decimal": self.decimal,
            "na_values": ",".join(self.na_values) or None,
        }
        given = {name: value for name, value in named.items() if value is not None}
        for how in (self.patches, self.images, self.sound):
            given |= how.requested() if how else {}
        return given

    def of_text(self) -> list[str]:
        """Return the options given that only a table of text can follow."""
        given = {
            "--header" if self.header else "--no-header": self.header is not None,
            "--decimal": self.decimal is not None,
            "--na-values": bool(self.na_values),
        }
        return [option for option, was_given in given.items() if was_given]


def _listed(name: str, text: str | None) -> dict[str, str | None]:
    """Return a list of columns as files keep it: a long one by its hash alone."""
    if text is None or len(text) <= LONG_LIST:
        return {name: text}
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return {f"{name}_sha256": digest}


AS_IT_IS = ReadOptions()
"""Nothing requested."""
