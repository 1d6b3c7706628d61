"""Every picture is data that JSON can hold, whatever its text is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_codes import model_of
from test_dimensions_picture import FOUND

from gpuae.pictures.code_map import code_map
from gpuae.pictures.codes import codes
from gpuae.pictures.dimensions import dimensions
from gpuae.pictures.errors import errors, scores_only
from gpuae.pictures.history import history
from gpuae.pictures.picture import as_json
from gpuae.pictures.sample import Sample

NAMES = ("<script>", "$x_1$", "\u202eright to left", "a\nb", '"quoted"', "😀", "y" * 200)
ROWS = np.random.default_rng(0).normal(size=(30, len(NAMES)))
COURSE = {"loss": np.array([2.0, 1]), "val_loss": np.array([np.nan, np.nan])}
MODEL = replace(model_of(ROWS), feature_names=NAMES, history=COURSE)
SAMPLE = Sample(ROWS, np.arange(30), 30, y=np.array(NAMES)[np.arange(30) % 7])


@pytest.mark.parametrize(
    "make",
    [
        lambda: history(MODEL),
        lambda: codes(MODEL, SAMPLE),
        lambda: code_map(MODEL, SAMPLE, colour="label"),
        lambda: code_map(MODEL, SAMPLE, colour="$x_1$"),
        lambda: errors(MODEL, SAMPLE),
        lambda: scores_only(np.ones(3)),
        lambda: dimensions(FOUND),
    ],
    ids=["history", "codes", "map by label", "map by column", "errors", "scores", "dimensions"],
)
def test_it_is_the_same_after_json(make):
    data = as_json(make())
    assert json.loads(json.dumps(data, allow_nan=False)) == json.loads(json.dumps(data))


def test_names_are_kept_as_they_are():
    assert set(code_map(MODEL, SAMPLE, colour="label").panels[0].names) == set(NAMES)
    assert set(errors(MODEL, SAMPLE).panels[1].names) == set(NAMES)
