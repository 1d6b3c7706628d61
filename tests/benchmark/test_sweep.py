"""From where on a GPU pays."""

import pytest

from gpuae.benchmark.sweep import QUICK, Point, Sweep, pays_from, verdicts

GPU = "cuda:0"


def row(batch, *gains):
    """Points of widths 1, 2, 3, … in no order, at which the GPU is so many times as fast."""
    points = [
        Point(width, batch, {"cpu": 100.0, GPU: 100.0 * gain})
        for width, gain in enumerate(gains, 1)
    ]
    return [*points[1::2], *points[::2]]


@pytest.mark.parametrize(
    ("gains", "width"),
    [
        ((0.5, 0.9, 1.2, 3), 3),
        ((1, 2, 3), 1),
        ((0.1, 0.5), None),
        ((2, 0.5, 3), 3),  # it has to pay at all larger widths
        ((2, 3, 0.9), None),
    ],
)
def test_a_gpu_pays_from_a_width_on(gains, width):
    assert pays_from(row(32, *gains), GPU) == {32: width}


def test_each_batch_size_has_a_sentence():
    points = [*row(256, 2, 3), *row(32, 0.5, 0.7), *row(64, 0.5, 1.5), *row(128, 2, 0.5)]
    assert list(verdicts(points, GPU)) == [
        "batch 32: cuda:0 is not faster than the CPU, 0.7 times at best",
        "batch 64: cuda:0 pays from a width of 2 on, 1.5 times as fast as the CPU there",
        "batch 128: cuda:0 is not faster than the CPU at the largest width",
        "batch 256: cuda:0 always pays, 2 to 3 times as fast as the CPU",
    ]


def test_without_points_there_is_nothing_to_say():
    assert pays_from([], GPU) == {}
    assert list(verdicts([], GPU)) == []


@pytest.mark.parametrize("sweep", [Sweep(), QUICK])
def test_an_epoch_is_some_whole_steps(sweep):
    cases = list(sweep.cases())
    assert len(cases) == len(sweep.widths) * len(sweep.batches)
    for case in cases:
        assert case.widths == (784, case.widths[1], 784)
        assert case.rows % case.batch_size == 0
        assert 4 <= case.rows // case.batch_size <= sweep.most_rows / 32
