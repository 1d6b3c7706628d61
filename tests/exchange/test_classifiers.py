"""A classifier goes out with its probabilities and the names of its classes."""

import json

import numpy as np
import pytest
from exchange_models import classifier_of

from gpuae.exchange import agreement
from gpuae.exchange.computation import Computation
from gpuae.exchange.exporting import FORMATS, export

ROWS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "settings", [{}, {"dtype": "float64", "sparsity": "topk", "k": 2}], ids=str
)
def test_every_format_has_the_probabilities(tmp_path, ending, settings):
    if ending == ".onnx":
        pytest.importorskip("onnxruntime")
    done = export(classifier_of(**settings), tmp_path / f"m{ending}")
    assert done.outputs == ("code", "probabilities")
    assert done.difference <= agreement.LIMIT


def test_onnx_says_which_classes_the_probabilities_are_of(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = classifier_of(labels=(3, 5, 8))
    export(model, tmp_path / "m.onnx", outputs=["probabilities"])
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {"rows": ROWS})
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    wanted = Computation.of(model).run(ROWS)["probabilities"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == [3, 5, 8]


def test_the_lines_for_pytorch_give_probabilities(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = classifier_of()
    made = {}
    exec(export(model, "m.pt").code, made)
    with torch.no_grad():
        found = made["model"](torch.from_numpy(ROWS)).numpy()
    wanted = Computation.of(model).run(ROWS)["probabilities"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_card_names_the_classes(tmp_path):
    export(classifier_of(), tmp_path / "m.npz", card=True)
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "with the classes `a`, `b`, `c`" in text
    assert "- tabular-classification" in text
