from itertools import pairwise

import h5py
import numpy as np
import pytest

from gpuae.storage.hdf5 import reading, string_spans

TEXT = h5py.string_dtype()
WORDS = ["", "a", "bb" * 30, "dög"] * 50


@pytest.fixture
def opened(tmp_path):
    def written(values, dtype=TEXT, **options):
        with h5py.File(tmp_path / "given.h5", "w") as file:
            file.create_dataset("x", data=values, dtype=dtype, **options)
        return h5py.File(tmp_path / "given.h5")["x"]

    return written


LAYOUTS = (
    {},
    {"chunks": (6,)},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "lzf"},
    {"compression": "lzf", "shuffle": True, "chunks": (6,)},
)


@pytest.mark.parametrize("options", LAYOUTS)
def test_short_strings_are_read_together_however_large_the_file(opened, monkeypatch, options):
    monkeypatch.setattr(string_spans, "BLOCK_BYTES", 1000)
    dataset = opened(WORDS, **options)
    spans = list(string_spans.spans(dataset, "given"))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(WORDS)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert len(spans) == 4  # of 200 × 17 bytes with an end to each
    assert reading.read_text(dataset, "given").tolist() == WORDS


@pytest.mark.parametrize("options", LAYOUTS)
def test_what_is_long_is_read_alone(opened, monkeypatch, options):
    monkeypatch.setattr(string_spans, "BLOCK_BYTES", 100)
    dataset = opened(["short"] * 3 + ["long" * 100] + ["short"] * 3, **options)
    assert list(string_spans.spans(dataset, "given")) == [(0, 3), (3, 4), (4, 7)]


def test_strings_whose_lengths_cannot_be_told_are_read_as_if_each_filled_the_file(
    opened, monkeypatch
):
    dataset = opened(WORDS)
    monkeypatch.setattr(string_spans, "_SIZES_KNOWN", (4, 4))
    monkeypatch.setattr(string_spans, "BLOCK_BYTES", 1000)
    assert len(list(string_spans.spans(dataset, "given"))) == len(WORDS)
    assert reading.read_text(dataset, "given").tolist() == WORDS


def test_strings_of_fixed_length_take_what_they_declare(opened, monkeypatch):
    monkeypatch.setattr(string_spans, "BLOCK_BYTES", 100)
    fixed = h5py.string_dtype("utf-8", 9)
    dataset = opened(np.array([b"a"] * 20, fixed), fixed)
    assert list(string_spans.spans(dataset, "given")) == [(0, 10), (10, 20)]


def test_no_strings_are_no_stretch(opened):
    assert not list(string_spans.spans(opened([]), "given"))
