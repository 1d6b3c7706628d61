import json
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.kinds.features import features_output
from gpuae.storage.kinds.model_file import write_model
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"


def run_example(heading="the code by hand"):
    """Run the example under a heading; return what it has defined."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"## Example: {heading}\n")[2]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    defined = {}
    exec(compile(example, str(DOCUMENT), "exec"), defined)
    return defined


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
        Path("features.h5"), code.shape, RowMetadata(y=labels), force=True, attributes={}
    ) as out:
        out.write(0, code)


def test_the_example_computes_the_code_from_the_files_alone(files):
    write_features(files)
    run_example()
    write_features(files + 0.01)
    with pytest.raises(AssertionError):
        run_example()


def test_the_example_for_pandas_makes_a_table_of_the_codes_and_what_lies_beside(
    monkeypatch, capsys
):
    pytest.importorskip("pandas")
    archive = DOCUMENT.parents[1] / "tests" / "data" / "v1"
    monkeypatch.chdir(archive)
    table = run_example("features in pandas")["table"]
    values = json.loads((archive / "values.json").read_text())
    assert table.columns.tolist() == ["code0", "code1", "code2", "row_id", "y"]
    np.testing.assert_allclose(table.iloc[:, :3], values["model-plain"]["code"], rtol=1e-6)
    assert table["row_id"].tolist() == values["data"]["row_id"]
    assert table["y"].tolist() == values["data"]["y"]
    assert "mean" in capsys.readouterr().out


def test_read_by_column_the_dimensions_come_reversed_as_the_document_says(tmp_path, rows):
    write_dataset(tmp_path / "a.h5", Dataset(rows, "rows"), force=False)
    with h5py.File(tmp_path / "a.h5") as file:
        offset, shape = file["data/x"].id.get_offset(), file["data/x"].shape
    stored = np.fromfile(tmp_path / "a.h5", np.float32, rows.size, offset=offset)
    by_column = stored.reshape(shape[::-1], order="F")
    np.testing.assert_array_equal(by_column.T, rows)
