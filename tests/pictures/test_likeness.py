"""Patterns that look alike are neighbours: copies, gratings of one kind, curves of one shape."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from gpuae.pictures.geometry import Geometry
from gpuae.pictures.likeness import alike_together

Y, X = np.meshgrid(np.arange(12), np.arange(12), indexing="ij")


def geometry_of(kind, columns, shape=None):
    return Geometry(kind, np.arange(columns), np.zeros(columns), np.ones(columns), shape)


KINDS = [
    geometry_of("bars", 36),
    geometry_of("curves", 36),
    geometry_of("images", 36, (6, 6)),
    geometry_of("images", 36, (4, 3, 3)),
    geometry_of("images", 36, (3, 3, 4)),
]


def grating(angle, phase):
    return np.sin(1.3 * (np.cos(angle) * X + np.sin(angle) * Y) + phase).ravel()


@pytest.mark.parametrize("geometry", KINDS, ids=lambda own: f"{own.kind} {own.shape}")
def test_copies_stand_beside_each_other_and_opposites_do_not(geometry):
    one = np.random.default_rng(0).standard_normal((20, 36))
    order = alike_together(np.concatenate([one, 3 * one, -one]), geometry).tolist()
    assert sorted(order) == list(range(60))
    for unit in range(20):
        assert abs(order.index(unit) - order.index(unit + 20)) == 1


def test_the_sign_counts():
    one = np.random.default_rng(0).standard_normal((20, 36))
    order = alike_together(np.concatenate([one, 3 * one, -one]), KINDS[0]).tolist()
    assert all(abs(order.index(unit) - order.index(unit + 40)) > 1 for unit in range(20))


def test_neighbours_on_a_ring_stay_neighbours_and_zeros_come_last():
    angles = np.random.default_rng(1).permutation(np.linspace(0, 6, 50))
    patterns = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    patterns[[3, 7]] = 0
    order = alike_together(patterns, geometry_of("bars", 2))
    assert sorted(order[-2:]) == [3, 7]
    assert np.abs(np.diff(angles[order[:-2]])).max() < 0.5


def test_gratings_of_one_direction_stand_together_whatever_their_phase():
    """Sine and cosine are at right angles, so products of the patterns cannot tell."""
    kinds = np.arange(20) % 4
    patterns = np.array([grating(kind * np.pi / 4, unit) for unit, kind in enumerate(kinds)])
    order = alike_together(patterns, geometry_of("images", 144, (12, 12)))
    assert (np.diff(kinds[order]) != 0).sum() == 3


def test_noise_stands_together():
    random = np.random.default_rng(0)
    noise = random.standard_normal((10, 144))
    smooth = [
        np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 9).ravel() for x, y in random.random((10, 2)) * 12
    ]
    patterns = np.concatenate([noise, smooth])[np.argsort(np.arange(20) % 10, kind="stable")]
    order = alike_together(patterns, geometry_of("images", 144, (12, 12)))
    assert (np.diff(order % 2) != 0).sum() == 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_or_two_patterns_have_an_order_too(count):
    order = alike_together(np.ones((count, 36)), KINDS[0])
    assert sorted(order) == list(range(count))


def test_a_thousand_images_are_in_order_soon():
    patterns = np.random.default_rng(0).standard_normal((1000, 784))
    start = perf_counter()
    order = alike_together(patterns, geometry_of("images", 784, (28, 28)))
    assert perf_counter() - start < 5
    assert sorted(order) == list(range(1000))
