"""Columns of categories go out as groups of probabilities beside the numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from exchange_models import with_categories

from gpuae.errors import InputError
from gpuae.exchange import agreement
from gpuae.exchange.computation import Computation
from gpuae.exchange.exporting import FORMATS, export
from gpuae.exchange.importing import import_model

ROWS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("settings", [{}, {"dtype": "float64", "activation": "elu"}], ids=str)
def test_every_format_has_their_probabilities(tmp_path, ending, settings):
    if ending == ".onnx":
        pytest.importorskip("onnxruntime")
    done = export(with_categories(**settings), tmp_path / f"m{ending}")
    assert done.difference <= agreement.LIMIT
    assert "score" in done.outputs


def test_a_group_of_an_exported_model_adds_up_to_one(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = with_categories(scaling="none")
    export(model, tmp_path / "m.onnx", outputs=["reconstruction"])
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {"rows": ROWS})
    np.testing.assert_allclose(found[:, 2], 1, rtol=1e-6)
    np.testing.assert_allclose(found[:, 3:].sum(axis=1), 1, rtol=1e-6)
    about = json.loads(session.get_modelmeta().custom_metadata_map["categories"])
    assert about == [{"name": "a", "values": ["x"]}, {"name": "b", "values": ["y", "z"]}]


def test_the_lines_for_pytorch_give_them(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = with_categories()
    made = {}
    exec(export(model, "m.pt").code, made)
    with torch.no_grad():
        found = made["model"](torch.from_numpy(ROWS)).numpy()
    wanted = Computation.of(model).run(ROWS)["reconstruction"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_network_of_categories_alone_has_no_numbers():
    model = with_categories()
    column = replace(model.categorical[0], values=("u", "v", "w"))
    alone = Computation.of(replace(model, categorical=(column, model.categorical[1])))
    assert alone.decoder[-1].parts == ((3, "softmax"), (2, "softmax"))


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_they_do_not_come_back_as_numbers(tmp_path, ending):
    export(with_categories(), tmp_path / f"m{ending}")
    with pytest.raises(InputError, match="columns of categories"):
        import_model(tmp_path / f"m{ending}")
