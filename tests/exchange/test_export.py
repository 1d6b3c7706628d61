"""What is written for other programs computes what gpuae computes, whatever the settings are."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from exchange_models import COLUMNS, HIDDEN, model_of
from pairwise import covering
from sklearn.exceptions import NotFittedError

from gpuae import Autoencoder
from gpuae.errors import ConfigError, OutputError
from gpuae.exchange import agreement
from gpuae.exchange.computation import Computation
from gpuae.exchange.exporting import FORMATS, export
from gpuae.functions.activations import ACTIVATIONS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CHOICES = {
    "activation": [name for name, own in ACTIVATIONS.items() if not own.output_only],
    "output": list(ACTIVATIONS),
    "scaling": ["none", "standard", "sigma", "whitened", "filled"],
    "hidden": list(HIDDEN.values()),
    "decoder": ["untied", "tied"],
    "sparsity": ["none", "topk"],
    "dtype": ["float32", "float64"],
    "input_type": ["float32", "float64"],
}
ENDINGS = list(FORMATS)
SIZES = [len(own) for own in CHOICES.values()]
EVERY = list(itertools.product(*map(range, SIZES)))


def chosen(places):
    """Return the settings at these places of their lists, and the type of the rows."""
    found = {
        name: values[place] for place, (name, values) in zip(places, CHOICES.items(), strict=True)
    }
    input_type = found.pop("input_type")
    return found | ({"k": 2} if found["sparsity"] == "topk" else {}), input_type


def differences(combinations, folder):
    """Return what does not agree, after having written each combination as ONNX."""
    wrong = []
    for number, places in enumerate(combinations):
        settings, input_type = chosen(places)
        done = export(model_of(**settings), folder / f"{number}.onnx", input_type=input_type)
        if not (done.difference <= agreement.LIMIT and done.rows > agreement.ORDINARY / 2):
            wrong.append((done.difference, done.rows, settings))
    return wrong


def test_onnx_agrees_for_all_pairs_of_settings(tmp_path):
    assert not differences(covering(SIZES), tmp_path)


@pytest.mark.long
def test_onnx_agrees_for_many_combinations_of_settings(tmp_path):
    picked = np.random.default_rng(0).choice(len(EVERY), 1000, replace=False)
    assert not differences([EVERY[place] for place in picked], tmp_path)


def session(path):
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def test_onnx_takes_any_number_of_raw_rows_and_names_what_it_gives(tmp_path):
    model = model_of(missing="mean", scaling="filled")
    export(model, tmp_path / "m.onnx")
    made = session(tmp_path / "m.onnx")
    assert [(own.name, own.shape) for own in made.get_inputs()] == [("rows", ["rows", COLUMNS])]
    names = [own.name for own in made.get_outputs()]
    assert names == ["code", "reconstruction", "score", "outlier"]
    rows = np.full((3, COLUMNS), np.nan, np.float32)
    code, rebuilt, score, outlier = made.run(None, {"rows": rows})
    assert code.shape == (3, 4)
    assert rebuilt.shape == (3, COLUMNS)
    assert score.shape == outlier.shape == (3,)
    assert outlier.dtype == bool
    assert np.isfinite(rebuilt).all()


def test_onnx_says_what_it_is_made_of(tmp_path, model):
    export(model, tmp_path / "m.onnx")
    about = session(tmp_path / "m.onnx").get_modelmeta()
    own = about.custom_metadata_map
    assert json.loads(own["columns"]) == list(model.feature_names)
    assert json.loads(own["settings"]) == model.config.stored()
    assert float(own["threshold"]) == model.calibration.threshold
    assert about.producer_name == "gpuae"
    onnx.checker.check_model(tmp_path / "m.onnx", full_check=True)


def test_the_same_model_gives_the_same_bytes(tmp_path, model):
    for name in ("a.onnx", "b.onnx", "a.npz", "b.npz"):
        export(model, tmp_path / name)
    for ending in (".onnx", ".npz"):
        one, other = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
        assert one == other


def test_outputs_are_chosen_by_name(tmp_path, model):
    done = export(model, tmp_path / "m.onnx", outputs=["outlier", "code"])
    assert done.outputs == ("outlier", "code")
    assert [own.name for own in session(tmp_path / "m.onnx").get_outputs()] == ["outlier", "code"]
    with pytest.raises(ConfigError, match="there is no output kode; it has code, recon"):
        export(model, tmp_path / "n.onnx", outputs=["kode"])
    with pytest.raises(ConfigError, match="does not have probabilities"):
        export(model, tmp_path / "n.onnx", outputs=["probabilities"])
    with pytest.raises(ConfigError, match=r"alone, and \.npz holds"):
        export(model, tmp_path / "n.npz", outputs=["code"])
    with pytest.raises(ConfigError, match="not float16"):
        export(model, tmp_path / "n.onnx", input_type="float16")
    assert not list(tmp_path.glob("n.*"))


def test_a_file_holds_no_more_than_its_outputs_need(tmp_path, model):
    export(model, tmp_path / "code.onnx", outputs=["code"])
    arrays = onnx.load(tmp_path / "code.onnx").graph.initializer
    matrices = [tuple(own.dims) for own in arrays if len(own.dims) == 2]
    assert matrices == [(COLUMNS, 6), (6, 4)]


def test_a_score_that_compares_with_training_rows_is_left_out_and_said_to_be(tmp_path):
    done = export(model_of(outlier_score="knn"), tmp_path / "m.onnx")
    assert done.outputs == ("code", "reconstruction")
    assert "outlier_score=knn" in done.notes[0]


def test_far_from_zero_rows_are_taken_in_float64(tmp_path):
    model = model_of()
    own = model.preprocess
    far = replace(model, preprocess=replace(own, center=own.center + 1e9))
    done = export(far, tmp_path / "m.onnx")
    assert done.difference <= agreement.LIMIT
    assert session(tmp_path / "m.onnx").get_inputs()[0].type == "tensor(double)"


def spoilt(model, what):
    """Return a computation with a small mistake in a part of it."""
    right = Computation.of(model)
    if what == "threshold":
        return replace(right, threshold=2 * right.threshold)
    if what == "preprocess":
        factor = right.preprocess.factor * 1.001
        return replace(right, preprocess=replace(right.preprocess, factor=factor))
    first, *others = getattr(right, what)
    wrong = replace(first, bias=first.bias + np.float32(1e-3))
    return replace(right, **{what: (wrong, *others)})


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", ["encoder", "decoder", "preprocess", "threshold"])
def test_what_differs_is_not_written(tmp_path, model, monkeypatch, ending, what):
    """A mistake in what is written is found, for it is compared with the model itself."""
    rows = agreement.made_up_rows(Computation.of(model), np.dtype(np.float32))
    usual = float(np.median(Computation.of(model).run(rows)["score"]))
    model = replace(model, calibration=replace(model.calibration, threshold=usual))
    wrong = spoilt(model, what)
    monkeypatch.setattr(Computation, "of", lambda model: wrong)
    with pytest.raises(OutputError, match="is not written"):
        export(model, tmp_path / f"m{ending}")
    assert not list(tmp_path.iterdir())


def test_npz_is_plain_arrays_and_says_what_to_do_with_them(tmp_path, model):
    export(model, tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays["about"]))
    assert [own["activation"] for own in about["layers"]] == ["relu", "relu", "relu", "identity"]
    rows = agreement.made_up_rows(Computation.of(model), np.dtype(np.float32))
    a = (rows - arrays["preprocess.center"]) * arrays["preprocess.factor"]
    for own in about["layers"][:2]:
        z = a @ arrays[f"{own['name']}.weight"] + arrays[f"{own['name']}.bias"]
        a = np.maximum(z, 0)
    np.testing.assert_allclose(a, Computation.of(model).run(rows)["code"], rtol=1e-6)


def test_an_existing_file_and_an_unknown_ending_are_refused(tmp_path, model):
    (tmp_path / "m.npz").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        export(model, tmp_path / "m.npz")
    assert (tmp_path / "m.npz").read_bytes() == b"mine"
    export(model, tmp_path / "m.npz", force=True)
    with pytest.raises(OutputError, match=r"m\.pkl.*one of \.onnx"):
        export(model, tmp_path / "m.pkl")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing_is_named(tmp_path, model, monkeypatch, package):
    monkeypatch.setattr(
        "gpuae.exchange.required.find_spec", lambda name: None if name == package else name
    )
    with pytest.raises(ConfigError, match=rf"by {package}, which is not .*gpuae\[onnx\]"):
        export(model, tmp_path / "m.onnx")


def test_a_model_whose_outputs_are_all_too_large_to_compare_is_refused(tmp_path):
    model = model_of("identity", dtype="float64")
    huge = replace(model, parameters=model.parameters * 1e200)
    with pytest.raises(OutputError, match="no row whose output"):
        export(huge, tmp_path / "m.npz")


def test_an_estimator_that_was_not_fitted_says_so(tmp_path):
    with pytest.raises(NotFittedError):
        export(Autoencoder(), tmp_path / "m.npz")
