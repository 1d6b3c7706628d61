"""What was measured, as figures a person compares: rows a second, share of the bound, speed-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gpuae.benchmark.cases import Case
from gpuae.benchmark.line_up import OURS, PRODUCTS, unequal_work
from gpuae.benchmark.sweep import Point, pays_from
from gpuae.benchmark.track import Contender, Figures
from gpuae.benchmark.turns import Measured
from gpuae.errors import GpuaeError


@dataclass(frozen=True)
class Line:
    """One contender on one case and device.

    Attributes
    ----------
    seconds
        Of an epoch: median, p20, p80, the number of rounds, and the loss it came to.
    share_of_bound
        Time of the step's matrix products alone on the same device, divided by this one's.
    speed_up
        Of gpuae on a GPU: how many times as fast as gpuae on the CPU.
    """

    who: str
    device: str
    seconds: Figures
    rows_per_second: float
    share_of_bound: float
    speed_up: float | None

    @property
    def bound(self) -> float:
        """Rows a second with the matrix products alone."""
        return self.rows_per_second / self.share_of_bound


@dataclass(frozen=True)
class CaseReport:
    """All contenders on a case; `left_out` has a sentence for each that has no figures."""

    case: Case
    lines: list[Line]
    left_out: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        case = self.case
        facts = {"what": case.what, "rows": case.rows, "batch_size": case.batch_size}
        lines = [asdict(line) for line in self.lines]
        return {**facts, "measured": lines, "left_out": self.left_out}


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes
    ----------
    no_gpu
        Why no GPU was measured, or nothing.
    """

    machine: dict[str, str]
    devices: list[str]
    no_gpu: str
    cases: list[CaseReport] = field(default_factory=list)
    sweep: list[Point] = field(default_factory=list)

    @property
    def gpus(self) -> list[str]:
        """Those devices that are GPUs."""
        return [device for device in self.devices if device.startswith("cuda")]

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        compared = self.gpus if "cpu" in self.devices else []
        return {
            "machine": self.machine,
            "devices": self.devices,
            "no_gpu": self.no_gpu or None,
            "cases": {own.case.name: own.as_dict() for own in self.cases},
            "sweep": [asdict(point) for point in self.sweep],
            "gpu_pays_from_width": {gpu: pays_from(self.sweep, gpu) for gpu in compared},
        }


def report_case(case: Case, measured: Measured) -> CaseReport:
    """Compare the contenders of a case.

    Raises
    ------
    GpuaeError
        Where gpuae's own losses differ from device to device.
    """
    figures, left_out = dict(measured.figures), list(measured.left_out)
    for contender, sentence in unequal_work(measured.figures):
        if contender.needed:
            raise GpuaeError(
                f"{case.name}: {sentence}; this is a defect of gpuae, please report it"
            )
        del figures[contender]
        left_out.append(sentence)
    lines = [
        _line(case, own, figures) for own in sorted(figures, key=_order) if own.name != PRODUCTS
    ]
    return CaseReport(case, lines, left_out)


def _order(contender: Contender) -> bool:
    return contender.name != OURS


def _line(case: Case, contender: Contender, figures: Mapping[Contender, Figures]) -> Line:
    medians = {(own.name, own.device): value.median for own, value in figures.items()}
    own, cpu = figures[contender], medians.get((OURS, "cpu"))
    on_gpu = contender.name == OURS and contender.device != "cpu"
    return Line(
        who=contender.name,
        device=contender.device,
        seconds=own,
        rows_per_second=case.rows / own.median,
        share_of_bound=medians[PRODUCTS, contender.device] / own.median,
        speed_up=cpu / own.median if on_gpu and cpu else None,
    )
