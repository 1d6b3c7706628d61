"""A whole run of `gpuae bench`: which cases on which devices, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gpuae.backends import Device, resolve_device
from gpuae.benchmark.cases import CASES, Case
from gpuae.benchmark.line_up import missing_peers, ours, peers, products
from gpuae.benchmark.report import CaseReport, Report, report_case
from gpuae.benchmark.sweep import QUICK, Sweep, measure_point
from gpuae.benchmark.turns import Pace, measure
from gpuae.diagnosis import diagnose
from gpuae.errors import ConfigError

QUICK_ROWS = 2048


@dataclass(frozen=True)
class Study:
    """What is measured.

    Attributes
    ----------
    sweep
        Which widths and batch sizes, if any.
    """

    cases: list[Case]
    devices: list[Device]
    pace: Pace
    threads: int | None = None
    with_peers: bool = False
    sweep: Sweep | None = None

    def shortened(self) -> Study:
        """Return the same on few rows."""
        cases = [replace(case, rows=min(case.rows, QUICK_ROWS)) for case in self.cases]
        return replace(self, cases=cases, sweep=self.sweep and QUICK)

    @property
    def device_names(self) -> list[str]:
        """Of all devices."""
        return [device.name for device in self.devices]

    def run(self, no_gpu: str, tell: Callable[[str], None]) -> Report:
        """Measure everything and say what is being measured."""
        report = Report(diagnose(), self.device_names, no_gpu)
        missing = missing_peers() if self.with_peers else []
        if missing:
            tell(f"without {' and '.join(missing)}: not installed, see `pip install gpuae[bench]`")
        for case in self.cases:
            tell(f"measuring {case.name}: {case.what}")
            report.cases.append(self._case(case, tell))
        if self.sweep:
            for case in self.sweep.cases():
                tell(f"measuring {case.what}")
                point = measure_point(case, self.device_names, self.threads, self.pace)
                report.sweep.append(point)
        return report

    def _case(self, case: Case, tell: Callable[[str], None]) -> CaseReport:
        contenders = []
        for name in self.device_names:
            contenders += [ours(name, self.threads), products(name, self.threads)]
            contenders += peers(name, self.threads) if self.with_peers else ()
        found = report_case(case, measure(case, contenders, self.pace))
        for sentence in found.left_out:
            tell(f"note: left out: {sentence}")
        return found


def cases_named(names: Sequence[str]) -> list[Case]:
    """Return these cases, or all of them where none is named.

    Raises
    ------
    ConfigError
        Where there is no case of a name.
    """
    for name in names:
        if name not in CASES:
            known = ", ".join(CASES)
            raise ConfigError(f"--case {name}: there is no such case; give one of {known}")
    return [CASES[name] for name in dict.fromkeys(names or CASES)]


def devices_named(names: Sequence[str]) -> tuple[list[Device], str]:
    """Return these devices, or all there are where none is named, and why no GPU is among them.

    Raises
    ------
    ConfigError
        Where a name is none.
    DeviceError
        Where a device is not there.
    """
    for name in names:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
            raise ConfigError(f"--device {name}: is not timed; give cpu, cuda or cuda:N")
    found = resolve_device("auto")
    if names:
        own = {device.name: device for device in map(resolve_device, names)}
        reason = "only the CPU was asked for"
    else:
        own = {device.name: device for device in (resolve_device("cpu"), found)}
        reason = found.reason
    devices = sorted(own.values(), key=lambda device: device.is_gpu)
    return devices, "" if any(device.is_gpu for device in devices) else reason
