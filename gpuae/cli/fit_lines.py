"""How gpuae fit ended and what its model is worth, as JSON and in lines."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuae.cli.base import say, tell

if TYPE_CHECKING:
    from gpuae.training.fitting import Fit
    from gpuae.verdict import Verdict


def summary_of(result: Fit, output: Path) -> dict[str, Any]:
    """Return how training ended, as `--json` prints it."""
    history = result.result.history.records
    best = result.result.best_epoch
    kept = history[best - 1] if best else None
    return {
        "model": str(output),
        "ending": result.result.ending.value,
        "epochs": result.result.epochs,
        "epochs_pretrained": result.result.epochs_pretrained,
        "best_epoch": best,
        "loss": kept.loss if kept else None,
        "val_loss": kept.val_loss if kept and not isnan(kept.val_loss) else None,
        "seconds": result.result.seconds,
        "device": result.device.name,
        "config": result.model.config.stored(),
    }


def figures_of(verdict: Verdict | None) -> dict[str, Any]:
    """Return what the model is worth, as `--json` prints it."""
    unknown = {"explained_variance": None, "measured_rows": 0, "verdict": None}
    return {**verdict.summary(), "verdict": str(verdict)} if verdict else unknown


def lines_of(summary: dict[str, Any], verdict: Verdict | None) -> list[str]:
    """Word how training ended, what was kept and what it is worth."""
    epochs = "1 epoch" if summary["epochs"] == 1 else f"{summary['epochs']} epochs"
    own = f"{summary['ending']} after {epochs}"
    if summary["epochs_pretrained"]:
        own += f" and {summary['epochs_pretrained']} of single layers"
    lines = [f"{own} in {summary['seconds']:.1f} s", _kept(summary)]
    if verdict is not None:
        lines.append(str(verdict))
    return [line for line in (*lines, f"wrote {summary['model']}") if line]


def _kept(summary: dict[str, Any]) -> str:
    interrupted = summary["ending"] in ("interrupted", "out of time")
    if summary["loss"] is not None:
        val = f", val_loss {summary['val_loss']:.6g}" if summary["val_loss"] is not None else ""
        return f"kept epoch {summary['best_epoch']}: loss {summary['loss']:.6g}{val}"
    if summary["epochs_pretrained"] and not summary["epochs"]:
        return "kept what the layers have learnt one by one"
    if interrupted and not summary["epochs"]:
        return "kept the start: no epoch was done"
    if interrupted:
        return "kept what the network without a part of the rows had learnt so far"
    if summary["epochs"]:
        return "kept the start: no epoch was better for rows that were held out"
    return ""


def with_advice(lines: list[str], verdict: Verdict | None) -> list[str]:
    """Put what may help before the last line."""
    return [*lines[:-1], verdict.advice, lines[-1]] if verdict and verdict.advice else lines


def tell_lines(lines: list[str], verdict: Verdict | None) -> None:
    """Print them; what may help is a note beside the results."""
    *lines, wrote = lines
    for line in lines:
        tell(line)
    if verdict is not None and verdict.advice:
        say(f"note: {verdict.advice}")
    tell(wrote)
