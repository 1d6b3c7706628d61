import pytest

from gpuae.benchmark.cases import CASES
from gpuae.benchmark.line_up import ours, peers, products
from gpuae.benchmark.report import Report, report_case
from gpuae.benchmark.sweep import Point
from gpuae.benchmark.track import Figures
from gpuae.benchmark.turns import Measured

GPU = "cuda:0"


@pytest.fixture
def figures():
    """A function that makes figures of a median and a loss."""
    return lambda median, loss=1.0: Figures(median, 0.9 * median, 1.1 * median, 5, loss)


@pytest.fixture
def report(figures):
    """A report of two devices, as if a GPU had been there."""
    seconds = {ours("cpu"): 0.5, products("cpu"): 0.4, ours(GPU): 0.02, products(GPU): 0.01}
    found = {own: figures(value) for own, value in seconds.items()}
    found |= {own: figures(1.0) for own in [*peers("cpu"), *peers(GPU)]}
    cases = [report_case(case, Measured(found, [])) for case in CASES.values()]
    sweep = [
        Point(width, batch, {"cpu": 1e6 / width, GPU: 4e3 * batch**0.5})
        for batch in (32, 256)
        for width in (16, 64, 256)
    ]
    machine = {"gpuae": "0.0 on Python", "CPU": "a CPU"}
    return Report(machine, ["cpu", GPU], "", cases, sweep)
