import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpuae.storage.dataset import Dataset, write_dataset
from gpuae.storage.features import features_output
from gpuae.storage.model_file import write_model

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"


def run_example():
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(DOCUMENT), "exec"), {})


@pytest.fixture
def files(tmp_path, monkeypatch, model_of, rows):
    """A model, data and the features of one in the working folder."""
    monkeypatch.chdir(tmp_path)
    model = model_of()
    clipped = {**model.preprocess, "clip_low": np.array(-0.2), "clip_high": np.array(0.3)}
    model = replace(model, preprocess=clipped)
    write_model(Path("model.h5"), model, force=False)
    write_dataset(Path("data.h5"), Dataset(rows, "rows"), force=False)
    code = np.clip(rows - model.preprocess["center"], -0.2, 0.3)
    for layer in model.encoder:
        code = 1 / (1 + np.exp(-(code @ layer.weight + layer.bias)))
    return code


def write_features(code):
    labels = np.arange(len(code))
    with features_output(
        Path("features.h5"), code.shape, force=True, y=labels, attributes={}
    ) as out:
        out.write(0, code)


def test_the_example_computes_the_code_from_the_files_alone(files):
    write_features(files)
    run_example()
    write_features(files + 0.01)
    with pytest.raises(AssertionError):
        run_example()
