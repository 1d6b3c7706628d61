import itertools
import json
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuae.config import Config
from gpuae.errors import InputError, OutputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.kinds.model_contents import ClassifierContents, LayerArrays, ModelContents
from gpuae.storage.kinds.model_file import read_model, write_model


@pytest.fixture
def model_path(tmp_path, model_of):
    write_model(tmp_path / "model.h5", model_of(), force=False)
    return tmp_path / "model.h5"


def assert_same_layers(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one.bias, other.bias, strict=True)
        if one.weight is None or other.weight is None:
            assert one.weight is other.weight
        else:
            np.testing.assert_array_equal(one.weight, other.weight, strict=True)


def assert_same_model(one, other):
    assert one.config == other.config
    assert_same_layers(one.encoder, other.encoder)
    assert_same_layers(one.decoder, other.decoder)
    for name in ("preprocess", "history", "pca"):
        assert getattr(one, name).keys() == getattr(other, name).keys()
        for key, values in getattr(one, name).items():
            np.testing.assert_array_equal(values, getattr(other, name)[key], strict=True)
    assert dict(one.attributes) == dict(other.attributes)
    assert one.feature_names == other.feature_names
    assert one.image_shape == other.image_shape


PCA = {"mean": np.arange(6.0), "axes": np.eye(6, 2, dtype="f4"), "variances": np.array([2.0, 1])}


@pytest.mark.parametrize("pca", [{}, PCA], ids=["alone", "beside PCA"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_model_comes_back_as_it_was(tmp_path, model_of, tied, pca):
    model = model_of(tied=tied, pca=pca)
    write_model(tmp_path / "a.h5", model, force=False)
    assert_same_model(read_model(InputFile(tmp_path / "a.h5")), model)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 5),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_models_of_any_depth_and_type_survive(tmp_path_factory, hidden, columns, dtype, tied):
    def layer(n_in, n_out, *, weightless=False):
        weight = None if weightless else np.full((n_in, n_out), 0.5, dtype)
        return LayerArrays(weight, np.ones(n_out, dtype))

    sizes = [columns, *hidden]
    pairs = list(itertools.pairwise(sizes))
    decoder = "tied" if tied else "untied"
    config = Config(hidden=tuple(hidden), dtype=dtype, decoder=decoder, whiten="pca")
    model = ModelContents(
        config,
        encoder=tuple(layer(*pair) for pair in pairs),
        decoder=tuple(layer(b, a, weightless=tied) for a, b in reversed(pairs)),
        preprocess={
            "clip_low": np.array(-1.0),
            "clip_high": np.array(1.0),
            **dict.fromkeys(("center", "factor", "low", "high"), np.ones(columns)),
            **dict.fromkeys(("whiten", "unwhiten"), np.eye(columns)),
            "whiten_mean": np.zeros(columns),
        },
        history={"loss": np.zeros(0)},
    )
    path = tmp_path_factory.mktemp("model") / "a.h5"
    write_model(path, model, force=False)
    assert_same_model(read_model(InputFile(path)), model)


def test_the_layout_is_the_one_of_the_specification(model_path):
    with h5py.File(model_path) as file:
        assert file.attrs["kind"] == "model"
        assert json.loads(file.attrs["config_json"])["hidden"] == [4, 2]
        assert "device" not in json.loads(file.attrs["config_json"])
        assert file.attrs["device"] == "cpu"
        assert file.attrs["seed"] == 2**64 - 1
        assert file["model/encoder/0/weight"].shape == (6, 4)
        assert file["model/decoder/1/bias"].shape == (6,)
        assert file["preprocess/clip_low"][()] == -np.inf
        assert file["train/history/epoch"][:].tolist() == [1, 2, 3]
        assert list(file["model"].attrs["image_shape"]) == [2, 3]
        assert file["model/feature_names"].asstr()[5] == "f"


def test_a_tied_decoder_has_only_biases(tmp_path, model_of):
    write_model(tmp_path / "a.h5", model_of(tied=True), force=False)
    with h5py.File(tmp_path / "a.h5") as file:
        assert [list(file[f"model/decoder/{i}"]) for i in (0, 1)] == [["bias"], ["bias"]]


def test_equal_models_are_equal_files(tmp_path, model_of):
    for name in ("a.h5", "b.h5"):
        write_model(tmp_path / name, model_of(), force=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_arrays_that_were_read_do_not_hang_on_the_file(model_path, model_of):
    model = read_model(InputFile(model_path))
    model_path.write_bytes(b"gone")
    np.testing.assert_array_equal(model.encoder[0].weight, model_of().encoder[0].weight)


def test_an_existing_model_is_replaced_only_by_force(model_path, model_of):
    with pytest.raises(OutputError, match="exists already"):
        write_model(model_path, model_of(), force=False)
    write_model(model_path, model_of(), force=True)


WRONG_PARTS = [
    ("/model/encoder/0/weight", np.zeros((6, 5), "f4"), "/model/encoder/0/weight has shape"),
    ("/model/encoder/1/weight", np.zeros((5, 2), "f4"), "/model/encoder/1/weight has shape"),
    ("/model/encoder/0/weight", np.zeros(6, "f4"), "/model/encoder/0/weight is not a matrix"),
    ("/model/decoder/1/weight", np.zeros((4, 7), "f4"), "/model/decoder/1/weight has shape"),
    ("/model/decoder/1/bias", np.zeros((6, 1), "f4"), "/model/decoder/1/bias has shape"),
    ("/model/encoder/1/bias", np.zeros(2, "f8"), "/model/encoder/1/bias is float64"),
    ("/model/encoder/1/bias", np.array([0, np.nan], "f4"), "/model/encoder/1/bias holds NaN"),
    ("/model/decoder/0/bias", np.full(4, np.inf, "f4"), "/model/decoder/0/bias holds NaN"),
    ("/preprocess/center", np.zeros(5), "/preprocess/center has shape"),
    ("/preprocess/factor", np.full(6, np.nan), "/preprocess/factor holds NaN"),
    ("/preprocess/clip_low", np.array(np.nan), "/preprocess/clip_low holds NaN"),
    ("/preprocess/clip_low", np.zeros(6), "/preprocess/clip_low has shape"),
    ("/preprocess/whiten", np.zeros((6, 6)), "/preprocess/whiten is there without"),
    ("/preprocess/fill", np.zeros(6), "/preprocess/fill is there without missing=mean"),
    ("/train/history/loss", np.zeros(2), "/train/history holds arrays of the shapes"),
    ("/train/history/loss", np.zeros((3, 1)), "/train/history holds arrays of the shapes"),
    ("/model/feature_names", np.array([b"a"]), "/model/feature_names: has shape"),
    ("/model/encoder/0/weight", None, "/model/encoder/0/weight is not a matrix"),
    ("/model/encoder/1/weight", None, "/model/encoder/1/weight is missing"),
    ("/model/decoder/0/weight", None, "/model/decoder/0/weight is missing"),
    ("/model/encoder/1/bias", None, "/model/encoder/1/bias: is not in the file"),
    ("/model/encoder/1", None, "/model/encoder/1/bias: is not in the file"),
    ("/model/decoder", None, "/model/decoder: is not in the file"),
    ("/preprocess/low", None, "/preprocess/low is missing"),
    ("/preprocess", None, "/preprocess: is not in the file"),
    ("/model/encoder/2/bias", np.zeros(2, "f4"), "number of layers"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG_PARTS)
def test_parts_that_do_not_fit_together_are_refused(model_path, edit, path, value, message):
    with edit(model_path) as file:
        if path in file:
            del file[path]
        if value is not None:
            file[path] = value
    with pytest.raises(InputError, match=message) as caught:
        read_model(InputFile(model_path))
    assert str(model_path) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/pca/mean", np.zeros(5), "/pca/mean has shape"),
        ("/pca/axes", np.zeros((2, 6)), "/pca/axes has shape"),
        ("/pca/axes", np.full((6, 2), np.nan), "/pca/axes holds NaN"),
        ("/pca/axes", None, "/pca/axes is missing"),
        ("/pca/variances", np.zeros((2, 1)), "/pca/variances has shape"),
        ("/pca", {**PCA, "axes": np.eye(6, 3), "variances": np.ones(3)}, "3 axes for a code of 2"),
        ("/pca", np.zeros(2), "/pca: is a dataset"),
    ],
)
def test_axes_that_do_not_fit_the_model_are_refused(tmp_path, model_of, edit, path, value, message):
    write_model(tmp_path / "m.h5", model_of(pca=PCA), force=False)
    with edit(tmp_path / "m.h5") as file:
        del file[path]
        for name, part in value.items() if isinstance(value, dict) else [("", value)]:
            if part is not None:
                file[f"{path}/{name}".rstrip("/")] = part
    with pytest.raises(InputError, match=message):
        read_model(InputFile(tmp_path / "m.h5"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": [4]}, "number of layers"),
        ({"hidden": [4, 3]}, "/model/encoder/1/weight has shape"),
        ({"dtype": "float64"}, "/model/encoder/0/weight is float32"),
        ({"decoder": "tied"}, "/model/decoder/0/weight is there although"),
        ({"whiten": "zca"}, "/preprocess/whiten_mean is missing"),
        ({"missing": "mean"}, "/preprocess/fill is missing"),
        ({"hidden": None}, "lacks the widths"),
        ({"nonsense": 1}, "unknown setting nonsense"),
        ({"rho": 7}, "cannot be used .*rho"),
    ],
)
def test_weights_that_contradict_the_configuration_are_refused(model_path, edit, changes, message):
    with edit(model_path) as file:
        settings_ = json.loads(file.attrs["config_json"])
        file.attrs["config_json"] = json.dumps({**settings_, **changes})
    with pytest.raises(InputError, match=message):
        read_model(InputFile(model_path))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", 3])
def test_a_configuration_that_is_no_json_object_is_refused(model_path, edit, text):
    with edit(model_path) as file:
        file.attrs["config_json"] = text
    with pytest.raises(InputError, match=r"model\.h5: its attribute config_json is not"):
        read_model(InputFile(model_path))


def test_a_model_without_configuration_is_refused(model_path, edit):
    with edit(model_path) as file:
        del file.attrs["config_json"]
    with pytest.raises(InputError, match="config_json"):
        read_model(InputFile(model_path))


def test_whitening_of_a_wrong_shape_is_refused(tmp_path, model_of):
    whitening = {"whiten": np.eye(5), "unwhiten": np.eye(6), "whiten_mean": np.zeros(6)}
    model = model_of()
    config = Config(hidden=(4, 2), whiten="zca")
    wrong = replace(model, config=config, preprocess={**model.preprocess, **whitening})
    with pytest.raises(RuntimeError, match=r"/preprocess/whiten has shape \(5, 5\)"):
        write_model(tmp_path / "a.h5", wrong, force=False)


def test_a_later_minor_version_is_read_without_what_it_added(model_path, model_of, edit):
    with edit(model_path) as file:
        file.attrs["format_version"] = "1.4"
        settings_ = json.loads(file.attrs["config_json"])
        file.attrs["config_json"] = json.dumps({**settings_, "added_later": 1})
        file["preprocess/later/nested"] = np.ones(3)
        file["preprocess/text"] = "words"
        file["model/encoder/attention"] = np.ones(3)
    assert_same_model(read_model(InputFile(model_path)), model_of())


def test_a_later_major_version_is_refused(model_path, edit):
    with edit(model_path) as file:
        file.attrs["format_version"] = "2.0"
    with pytest.raises(InputError, match=r"format version 2\.0 and this gpuae reads 1\.0"):
        read_model(InputFile(model_path))


@pytest.mark.parametrize(
    ("kind", "message"), [("features", "is a gpuae features file"), (None, "is not a gpuae file")]
)
def test_a_file_of_another_kind_is_refused(model_path, edit, kind, message):
    with edit(model_path) as file:
        if kind:
            file.attrs["kind"] = kind
        else:
            del file.attrs["format"]
    with pytest.raises(InputError, match=f"{message} where a model is needed"):
        read_model(InputFile(model_path))


def test_a_model_is_not_taken_for_data(model_path):
    with pytest.raises(InputError, match="is a gpuae model file, not data"):
        open_dataset(InputFile(model_path))


@pytest.mark.parametrize("step", [331, pytest.param(37, marks=pytest.mark.long)])
def test_a_model_cut_at_any_byte_is_an_input_error(model_path, step):
    content = model_path.read_bytes()
    for size in range(0, len(content), step):
        model_path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"model\.h5"):
            read_model(InputFile(model_path))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_is_not_finite_is_never_written(tmp_path, model_of, bad):
    model = model_of()
    broken = replace(model.encoder[0], bias=np.full(4, bad, np.float32))
    with pytest.raises(RuntimeError, match="/model/encoder/0/bias holds NaN"):
        write_model(
            tmp_path / "a.h5", replace(model, encoder=(broken, model.encoder[1])), force=False
        )
    assert not any(tmp_path.iterdir())


def test_what_is_wrong_with_a_classifier_is_said_with_its_path(tmp_path, model_of):
    layer = LayerArrays(np.full((2, 3), np.nan, np.float32), np.zeros(3, np.float32))
    own = ClassifierContents(layer, np.arange(3), FinetuneConfig())
    classifier = replace(model_of(), decoder=(), classifier=own)
    with pytest.raises(RuntimeError, match="/model/classifier/weight holds NaN"):
        write_model(tmp_path / "a.h5", classifier, force=False)


def test_an_attribute_of_64_kib_is_refused(tmp_path, model_of):
    model = model_of(attributes={"note": "x" * 65536})
    with pytest.raises(RuntimeError, match="note must stay under 65536 bytes"):
        write_model(tmp_path / "a.h5", model, force=False)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "path",
    ["model/encoder/0/weight", "model/decoder/1/bias", "preprocess/whiten", "train/history/loss"],
)
def test_what_does_not_fit_the_configuration_is_refused_without_being_read(model_path, edit, path):
    with edit(model_path) as file:
        if path in file:
            del file[path]
        file.create_dataset(path, (6, 2_000_000), "f4", chunks=(6, 50_000), compression="gzip")
        file[path][:, :50_000] = 1
    tracemalloc.start()
    with pytest.raises(InputError, match=r"model\.h5: is a damaged model"):
        read_model(InputFile(model_path))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_what_readers_do_not_know_is_not_read(model_path, model_of, edit):
    with edit(model_path) as file:
        file.create_dataset("preprocess/later", (1 << 20, 1 << 20), "f4", chunks=(64, 64))
        file.attrs["content_sha256"] = "ab" * 32
    found = read_model(InputFile(model_path))
    assert found.preprocess.keys() == model_of().preprocess.keys()


def test_parts_that_do_not_fit_into_memory_together_are_refused(model_path, monkeypatch):
    monkeypatch.setattr("gpuae.storage.files.limits.physical_memory", lambda: 300)
    with pytest.raises(InputError, match="more than this machine's memory"):
        read_model(InputFile(model_path))
