"""What a person should know of a model at the end of its training, and what to try if it is poor.

It is measured on held-out rows, in preprocessed units, beside PCA learnt from the same training
rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.evaluation import Evaluation, evaluate
from gpuae.training.fitting import FEW_STEPS, Fit
from gpuae.training.trainer import Ending

FEWEST_ROWS = 2
"""A single row has no variance."""
POOR_BESIDE_PCA = 0.9
"""A model is poor that explains less than this part of what PCA explains,"""
POOR_ALONE = 0.5
"""or of all there is, where PCA is not known."""
NOTICEABLE = 0.01
LOWEST_SHOWN = -10.0


@dataclass(frozen=True)
class Verdict:
    """Figures of held-out rows, with words for them.

    `str` gives the finding as a sentence.
    """

    figures: Evaluation
    advice: str | None
    """What to try, as a sentence; None where the model is good enough."""

    def __str__(self) -> str:
        own = self.figures
        if not own.variance:
            return f"the {own.rows} unseen rows are all but the same: no variance to explain"
        text = (
            f"explains {percent(own.preprocessed_explained_variance)} of the variance of "
            f"{own.rows} unseen rows"
        )
        if own.pca_from:
            share = percent(own.preprocessed_pca_explained_variance)
            text += f"; PCA with {own.pca_components} components {share}"
        if self._units_matter():
            text += f" (preprocessed; in the data's own units {self._in_own_units()})"
        return text

    def summary(self) -> dict[str, Any]:
        """Return the figures under the names of `evaluate`; None for what is not known."""
        names = ["explained_variance", "preprocessed_explained_variance"]
        pca = ["pca_explained_variance", "preprocessed_pca_explained_variance"]
        known = {name: getattr(self.figures, name) for name in names}
        beside = {name: getattr(self.figures, name) if self._has_pca else None for name in pca}
        return {**known, **beside, "measured_rows": self.figures.rows}

    @property
    def _has_pca(self) -> bool:
        return self.figures.pca_from is not None

    def _units_matter(self) -> bool:
        own = self.figures
        gaps = [own.explained_variance - own.preprocessed_explained_variance]
        if self._has_pca:
            gaps.append(own.pca_explained_variance - own.preprocessed_pca_explained_variance)
        return any(abs(gap) > NOTICEABLE for gap in gaps)

    def _in_own_units(self) -> str:
        share = percent(self.figures.explained_variance)
        if not self._has_pca:
            return share
        return f"{share} and {percent(self.figures.pca_explained_variance)}"


def judge(fit: Fit, rows: NDArray[Any]) -> Verdict | None:
    """Measure a model on rows (m, d) that were held out; None where there are too few."""
    if len(rows) < FEWEST_ROWS:
        return None
    config = fit.model.config
    figures = evaluate(
        fit.model, rows, device=fit.device.name, threads=config.threads, learn_pca=False
    )
    return Verdict(figures, _advice(fit, figures))


def percent(share: float) -> str:
    """Word a share of variance; nobody reads a very negative one."""
    return f"{share:.1%}" if not share < LOWEST_SHOWN else f"less than {LOWEST_SHOWN:.0%}"


def _advice(fit: Fit, figures: Evaluation) -> str | None:
    found = figures.preprocessed_explained_variance
    known = figures.pca_from is not None
    enough = POOR_BESIDE_PCA * figures.preprocessed_pca_explained_variance if known else POOR_ALONE
    if not figures.variance or found >= max(0.0, enough):
        return None
    verdict = "less than PCA does" if known else "little"
    if found < 0:
        verdict = "worse than the mean of each column would do"
    return f"that is {verdict}; {_any_of(list(_remedies(fit)))} may help"


def _remedies(fit: Fit) -> Iterator[str]:
    """Yield what to change, the likeliest first."""
    config, course = fit.model.config, fit.course
    if course.ending is Ending.FINISHED and course.best_epoch == config.epochs:
        yield f"more epochs (it was still improving after {config.epochs})"
    yield from _constraints(config)
    steps = 0 if config.full_batch else -(-fit.training_rows // (config.batch_size or 1))
    if config.batch_size and config.batch_size > 1 and 0 < steps < FEW_STEPS:
        yield f"a smaller batch_size (now {config.batch_size})"
    if config.code_size >= fit.training_rows:
        yield f"a code of fewer units than the {fit.training_rows} training rows, or more rows"
    if config.scale != "standard" and config.loss != "bce":
        yield "scale=standard"
    if config.activation == "sigmoid" and config.sparsity != "kl":
        yield "activation=tanh"


def _constraints(config: Config) -> Iterator[str]:
    """Yield what keeps a network from rebuilding its rows as well as it could."""
    weaker = {"kl": "a lower beta", "l1": "a lower l1", "topk": "a larger k"}
    if config.sparsity in weaker:
        yield weaker[config.sparsity]
    if config.weight_decay:
        yield "a lower weight_decay"
    if config.noise != "none":
        yield "a lower noise_level"
    if config.dropout:
        yield "a lower dropout"


def _any_of(words: list[str]) -> str:
    """Join words by commas and an or."""
    if len(words) < 2:
        return words[0] if words else "another learning_rate"
    return f"{', '.join(words[:-1])} or {words[-1]}"
