"""What a person should know of a model at the end of its training, and what to try if it is poor.

It is measured on held-out rows, in preprocessed units, beside PCA learnt from the same training
rows. Rows that were held out in turn are measured by the model that was trained without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Self

from gpuae.category_figures import CategoryFigures
from gpuae.config import Config, of_each
from gpuae.errors import InputError
from gpuae.evaluation import Evaluation, evaluate, explained
from gpuae.functions.losses import ANY_TARGETS, LOSSES
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.model.row_weights import chosen
from gpuae.storage.rows.pages import gathered
from gpuae.training.fitting import Fit
from gpuae.training.held_out import MEASURED_ROWS
from gpuae.training.trainer import Ending
from gpuae.words import counted, percent

FEWEST_ROWS = 2
"""A single row has no variance."""
POOR_BESIDE_PCA = 0.9
"""A model is poor that explains less than this part of what PCA explains,"""
POOR_ALONE = 0.5
"""or of all there is, where PCA is not known."""
FEW_STEPS, SMALL_BATCH = 20, 32
"""An epoch with fewer steps of more rows than that could have more."""
FAST = 0.02
"""A larger learning_rate, ten times the usual one, may be why a model is poor."""
NOTICEABLE = 0.01


@dataclass(frozen=True)
class Figures:
    """Shares of the variance of some rows that are explained, by the model and by PCA."""

    explained_variance: float
    pca_explained_variance: float | None
    """None where PCA is not known."""

    @classmethod
    def of(cls, parts: Sequence[Evaluation], units: str) -> Figures:
        """Pool figures of several sets of rows, in units that their names begin with."""

        def pooled(name: str) -> float:
            return sum(part.size * float(getattr(part, f"{units}{name}")) for part in parts)

        variance = pooled("variance")
        known = all(part.pca_from for part in parts)
        return cls(
            explained(pooled("mse"), variance),
            explained(pooled("pca_mse"), variance) if known else None,
        )


class Standing(Enum):
    """How a model stands beside PCA of its size, and beside knowing nothing but the mean."""

    CONSTANT = "there is nothing to explain"
    MORE = "more than PCA explains"
    AS_MUCH = "as much as PCA explains"
    NEARLY = "nearly as much as PCA explains"
    MUCH = "much, with no PCA to compare with"
    LESS = "less than PCA does"
    LITTLE = "little"
    NOTHING = "nothing"
    WORSE = "worse than the mean of each column would do"

    @property
    def poor(self) -> bool:
        """Whether something should be tried."""
        return self in (Standing.LESS, Standing.LITTLE, Standing.NOTHING, Standing.WORSE)

    @classmethod
    def of(cls, figures: Figures, explained_loss: float | None = None) -> Standing:
        """Return where figures place a model; one of another loss is not held against PCA."""
        found, pca = figures.explained_variance, figures.pca_explained_variance
        enough = POOR_ALONE if pca is None else POOR_BESIDE_PCA * pca
        if explained_loss is not None:
            found, enough, pca = explained_loss, NOTICEABLE, None
        if found < max(0.0, enough):
            return cls._of_poor(found, pca)
        if pca is None:
            return cls.MUCH
        if abs(found - pca) < NOTICEABLE:
            return cls.AS_MUCH
        return cls.MORE if found > pca else cls.NEARLY

    @classmethod
    def _of_poor(cls, found: float, pca: float | None) -> Standing:
        if found < -NOTICEABLE:
            return cls.WORSE
        if found < NOTICEABLE:
            return cls.NOTHING
        return cls.LITTLE if pca is None else cls.LESS


@dataclass(frozen=True)
class Course:
    """What the training of a model says about how it might have become better."""

    config: Config
    epochs: int
    improving: bool
    """Whether its last epoch was the best one, though no time was left."""
    rows: int | None
    """How many it was trained on, where that is known."""

    @classmethod
    def of_fit(cls, fit: Fit) -> Self:
        """Return what has just been done."""
        epochs, result = len(fit.result.history.records), fit.result
        improving = result.ending is Ending.FINISHED and result.best_epoch == epochs > 0
        return cls(fit.model.config, epochs, improving, fit.training_rows)

    @classmethod
    def of_model(cls, model: Model) -> Self:
        """Return what a model file says: it does not say how many rows there were."""
        epochs = len(model.history.get("epoch", ()))
        improving = model.attributes.get("best_epoch") == epochs == model.config.epochs
        return cls(model.config, epochs, improving and epochs > 0, None)


@dataclass(frozen=True, repr=False)
class Verdict:
    """Figures of some rows, with words for them; `str` gives the finding as a sentence."""

    rows: int
    pca_components: int
    constant: bool
    """Whether the rows have no variance that could be explained."""
    own_units: Figures
    preprocessed: Figures
    remedies: str | None = None
    """What may help; None where the model is good enough."""
    share_of: str = ""
    """What the loss is called, where it is no squared error."""
    explained_loss: float | None = None
    """The share of it that is explained."""
    scale_free: bool = False
    """Whether nobody asked for rows of the right length."""
    standing: Standing = Standing.CONSTANT
    which: str = "unseen row"
    """What one of the rows is called."""
    categories: CategoryFigures | None = None
    """Of the columns of categories, beside which the other figures are of the numbers alone."""

    @classmethod
    def of(
        cls, figures: Sequence[Evaluation], course: Course, which: str = "unseen row"
    ) -> Verdict:
        """Word the figures of one or more sets of rows."""
        preprocessed = Figures.of(figures, "preprocessed_")
        own, loss = LOSSES[course.config.loss], _explained_loss(figures)
        constant = not any(part.variance for part in figures)
        own_parts = [part.categories for part in figures if part.categories is not None]
        categories = CategoryFigures.pooled(own_parts)
        standing = Standing.CONSTANT if constant else Standing.of(preprocessed, loss)
        if constant and categories is not None:
            share, pca = categories.beyond_guessing, categories.pca_beyond_guessing
            standing = Standing.of(Figures(share, pca))
        return cls(
            rows=sum(part.rows for part in figures),
            pca_components=max(part.pca_components for part in figures),
            constant=constant,
            own_units=Figures.of(figures, ""),
            preprocessed=preprocessed,
            remedies=remedies(course) if standing.poor else None,
            share_of=own.share_of,
            explained_loss=loss,
            scale_free=own.scale_free,
            standing=standing,
            which=which,
            categories=categories,
        )

    def __str__(self) -> str:
        if self.categories is None:
            return self._of_numbers(counted(self.rows, self.which))
        named = self._of_categories(self.categories)
        if self.constant:
            return f"{named} of {counted(self.rows, self.which)}"
        numbers = self._of_numbers(f"the numbers of {counted(self.rows, self.which)}")
        return f"{numbers}; {named}"

    def _of_categories(self, own: CategoryFigures) -> str:
        beside = "" if own.pca_accuracy is None else f"PCA {percent(own.pca_accuracy)}, "
        return (
            f"names {percent(own.accuracy)} of the categories right ({beside}the most frequent "
            f"ones {percent(own.majority)})"
        )

    def _of_numbers(self, rows: str) -> str:
        if self.constant:
            if self.rows == 1:
                return f"a single {self.which} has no variance to explain"
            return f"the {rows} are all but the same: no variance to explain"
        seen = self.preprocessed
        if self.scale_free:
            return (
                f"explains {percent(self.explained_loss or 0.0)} of the {self.share_of} of {rows}"
            )
        variance = percent(seen.explained_variance)
        if self.explained_loss is not None:
            share = percent(self.explained_loss)
            text = f"explains {share} of the {self.share_of} of {rows}, and {variance} of their "
            text += "variance"
        else:
            text = f"explains {variance} of the variance of {rows}"
        if seen.pca_explained_variance is not None:
            share = percent(seen.pca_explained_variance)
            fitted = ", which is fitted to that," if self.share_of else ""
            text += f"; PCA with {counted(self.pca_components, 'component')}{fitted} {share}"
        return f"{text}{self._other_units()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the sentence, above a bar for the model and one for PCA, for a notebook."""
        shares = {"this model": self.preprocessed.explained_variance}
        if self.preprocessed.pca_explained_variance is not None:
            pca = f"PCA with {counted(self.pca_components, 'component')}"
            shares[pca] = self.preprocessed.pca_explained_variance
        if self.constant or self.scale_free:
            shares = {}
        bars = [
            f"<tr><td>{name}</td><td><meter value='{max(0.0, share):.3f}'></meter></td>"
            f"<td>{percent(share)}</td></tr>"
            for name, share in shares.items()
        ]
        return f"<p>{self}</p><table>{''.join(bars)}</table>" if bars else f"<p>{self}</p>"

    @property
    def advice(self) -> str | None:
        """What to try, as a sentence; None where the model is good enough."""
        if self.remedies is None:
            return None
        return f"that is {self.standing.value}; {self.remedies} may help"

    def summary(self) -> dict[str, Any]:
        """Return the figures under the names that they have in `evaluate`."""
        own = vars(self.own_units)
        preprocessed = {f"preprocessed_{name}": v for name, v in vars(self.preprocessed).items()}
        loss = {"explained_loss": self.explained_loss} if self.share_of else {}
        categories = {"categories": asdict(self.categories)} if self.categories else {}
        return {**own, **preprocessed, **loss, **categories, "measured_rows": self.rows}

    def _other_units(self) -> str:
        """Word the figures in the data's own units where that makes a difference."""
        own = [share for share in vars(self.own_units).values() if share is not None]
        seen = [share for share in vars(self.preprocessed).values() if share is not None]
        if all(abs(one - other) < NOTICEABLE for one, other in zip(own, seen, strict=True)):
            return ""
        return f" (preprocessed; in the data's own units {' and '.join(map(percent, own))})"


def judge(fit: Fit) -> Verdict | None:
    """Measure a model on rows that were held out; None where they are too few or cannot be used."""
    try:
        figures = _measured(fit)
    except InputError:
        return None
    return Verdict.of(figures, Course.of_fit(fit)) if figures else None


def _explained_loss(parts: Sequence[Evaluation]) -> float | None:
    """Pool the shares of the loss that are explained, weighted by rows."""
    shares = [part.explained_loss for part in parts if part.explained_loss is not None]
    sizes = [part.size for part in parts if part.explained_loss is not None]
    if not shares:
        return None
    return sum(own * size for own, size in zip(shares, sizes, strict=True)) / sum(sizes)


def _measured(fit: Fit) -> list[Evaluation]:
    return [
        evaluate(
            trial.model,
            gathered(fit.x, trial.rows[:MEASURED_ROWS]),
            machine=Machine(fit.device.name, fit.model.config.threads),
            learn_pca=False,
            weights=chosen(fit.weights, trial.rows[:MEASURED_ROWS]),
        )
        for trial in fit.trials
        if len(trial.rows) >= FEWEST_ROWS
    ]


def remedies(course: Course) -> str:
    """Say what may help a poor model, the likeliest first."""
    return _any_of(list(_remedies(course)))


def _remedies(course: Course) -> Iterator[str]:
    """Yield what to change, the likeliest first."""
    config, rows = course.config, course.rows
    if config.epochs and not course.epochs and config.learning_rate is not None:
        yield f"a lower learning_rate (now {config.learning_rate:g}) if training diverged"
    elif config.learning_rate is not None and config.learning_rate > FAST:
        yield f"a lower learning_rate (now {config.learning_rate:g})"
    if course.improving:
        yield f"more epochs (it was still improving after {course.epochs})"
    yield from _constraints(config)
    batch = config.batch_size or 0
    if rows is not None and batch > SMALL_BATCH and rows < FEW_STEPS * batch:
        yield f"a smaller batch_size (now {batch})"
    if rows is not None and config.code_size >= rows:
        yield f"a code of fewer units than the {rows} training rows"
        yield "more rows"
    if config.scale not in ("standard", "log1p") and LOSSES[config.loss].targets is ANY_TARGETS:
        yield "scale=standard"
    if "sigmoid" in of_each(config.activation) and not config.code_rule.bounded:
        yield "activation=tanh"


def _constraints(config: Config) -> Iterator[str]:
    """Yield what keeps a network from rebuilding its rows as well as it could."""
    if config.code_rule.weaker:
        yield f"a {config.code_rule.weaker}"
    if config.weight_decay:
        yield "a lower weight_decay"
    if config.noise != "none":
        yield "a lower noise_level"
    if config.drops:
        yield "a lower dropout"


def _any_of(words: list[str]) -> str:
    """Join words by commas and an or."""
    if len(words) < 2:
        return words[0] if words else "another learning_rate"
    return f"{', '.join(words[:-1])} or {words[-1]}"
