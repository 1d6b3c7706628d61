"""Models of Keras and PyTorch give here what they gave there; what is no such model is refused."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from exchange_models import model_of

import gpuae
from gpuae.errors import ConfigError, InputError
from gpuae.exchange.computation import Computation
from gpuae.exchange.exporting import export
from gpuae.exchange.importing import import_model
from gpuae.exchange.safetensors_bytes import packed as safetensors
from gpuae.exchange.safetensors_bytes import unpacked
from gpuae.exchange.torch_file import packed as state_dict
from gpuae.storage.files.input_file import sha256

DATA = Path(__file__).parent / "data"
OUTPUTS = dict(np.load(DATA / "outputs.npz"))
ROWS = OUTPUTS["rows"]
RELU = {"activation": "relu", "code_activation": "identity", "output_activation": "sigmoid"}
KERAS = ("sequential.keras", "functional.keras", "functional.h5", "nested.keras", "nested.h5")


def rebuilt(estimator, rows=ROWS):
    return estimator.inverse_transform(estimator.transform(rows))


@pytest.mark.parametrize("name", KERAS)
def test_a_model_of_keras_gives_what_it_gave_there(name):
    model = import_model(DATA / name)
    wanted = OUTPUTS[name.partition(".")[0]]
    np.testing.assert_allclose(rebuilt(model), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["state_dict.pt", "checkpoint.pt"])
def test_a_state_dict_of_pytorch_gives_what_it_gave_there(name):
    model = import_model(DATA / name, **RELU)
    np.testing.assert_allclose(rebuilt(model), OUTPUTS["torch"], rtol=1e-5, atol=1e-6)


def test_what_pytorch_writes_here_and_now_is_read():
    torch = pytest.importorskip("torch")
    layers = [
        torch.nn.Linear(6, 3, dtype=torch.float64),
        torch.nn.Linear(3, 6, dtype=torch.float64),
    ]
    made = torch.nn.Sequential(*layers)
    torch.save(made.state_dict(), "m.pt")
    model = import_model("m.pt", activation="identity", output_activation="identity")
    with torch.no_grad():
        wanted = made(torch.from_numpy(ROWS.astype(float))).numpy()
    np.testing.assert_allclose(rebuilt(model, ROWS.astype(float)), wanted, rtol=1e-12)
    assert model.config_.dtype == "float64"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "gelu"},
        {"scaling": "whitened", "dtype": "float64"},
        {"scaling": "filled", "output": "sigmoid"},
        {"sparsity": "topk", "k": 2, "decoder": "tied"},
        {"hidden": (9,)},
        {"hidden": (9,), "sparsity": "topk", "k": 3},
    ],
    ids=str,
)
def test_what_was_exported_comes_back(settings, ending):
    model = model_of(**settings)
    export(model, f"m{ending}")
    again = import_model(f"m{ending}")
    rows = np.random.default_rng(0).normal(size=(20, 5))
    wanted = Computation.of(model).run(rows)
    found = Computation.of(again.model_).run(rows)
    for name in ("code", "reconstruction"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5)


def test_an_imported_model_is_a_model_like_any_other():
    model = import_model(DATA / "nested.keras")
    model.save("m.h5")
    again = gpuae.load("m.h5")
    np.testing.assert_array_equal(again.transform(ROWS), model.transform(ROWS))
    again.transform(1e6 * ROWS)  # no warning: the range of its training rows is not known
    again.partial_fit(ROWS)
    made = json.loads(str(model.model_.attributes["provenance_json"]))
    assert made["command"] == "import"
    assert made["sources"][0]["sha256"] == sha256(DATA / "nested.keras")


def test_half_precision_becomes_float32():
    own = {"a.weight": np.float16([[1, 2]]), "b.weight": np.float16([[3], [4]])}
    Path("m.safetensors").write_bytes(safetensors(own, {}))
    model = import_model("m.safetensors", activation="identity", output_activation="identity")
    assert model.config_.dtype == "float32"
    np.testing.assert_array_equal(rebuilt(model, np.ones((1, 2))), [[9, 12]])


def test_activations_are_asked_for_where_the_file_does_not_say():
    with pytest.raises(ConfigError, match=r"layer encoder\.0; give activation and output_act"):
        import_model(DATA / "state_dict.pt")
    with pytest.raises(ConfigError, match="activation"):
        import_model(DATA / "state_dict.pt", activation="rely", output_activation="sigmoid")


# pickles


class Calls:
    """Would run a command of the system when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def archive_of(content, name="m.pt", **members):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", content)
        for member, own in members.items():
            archive.writestr(f"m/{member}", own)
    return name


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_executed(protocol):
    name = archive_of(pickle.dumps({"a": Calls()}, protocol))
    with pytest.raises(InputError) as caught:
        import_model(name, **RELU)
    assert not Path("executed").exists()
    if protocol > 1:
        assert "wants to call posix.system" in str(caught.value)


def test_a_whole_module_is_refused_by_what_it_would_call():
    with pytest.raises(InputError, match=r"call __main__\.Autoencoder.*state_dict\(\)"):
        import_model(DATA / "whole_module.pt", **RELU)


NESTED = b"\x80\x02)" + b"2\x86" * 60  # pairs of pairs: hashing or printing them has no end
MANY_AXES = b"(" + b"M\xff\xff" * 100_000 + b"t"  # their product takes minutes
STORED = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK\x04tQ"
REBUILT = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORED + b"K\0" + 2 * MANY_AXES + b"\x89}tR"
HOSTILE = {
    "endless shape": b"\x80\x02}X\1\0\0\0w" + REBUILT + b"s.",
    "endless keys": b"\x80\x02}" + NESTED[2:] + b"K\x01s.",
    "pickle of a list": pickle.dumps([1, 2]),
    "no end": pickle.dumps({"a": 1})[:-1],
    "nothing": b"",
    "empty stack": b"\x80\x02R.",
    "no mark": b"\x80\x02t.",
    "no memo": b"\x80\x02h\x07.",
    "code": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
    "text": b"hello",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_is_one_sentence(content):
    with pytest.raises(InputError, match=r"^m\.pt: "):
        import_model(archive_of(content), **RELU)


def test_every_cut_of_a_state_dict_is_refused():
    whole = (DATA / "state_dict.pt").read_bytes()
    for length in range(4, len(whole), 97):
        Path("m.pt").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"^m\.pt: "):
            import_model("m.pt", **RELU)


def test_a_tensor_that_reaches_beyond_its_values_is_refused():
    content = state_dict({"a.weight": np.ones((2, 3))}, "{}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        described = archive.read("model/data.pkl").replace(b"J\x03\0\0\0", b"J\x09\0\0\0")
    with pytest.raises(InputError, match="beyond its values"):
        import_model(archive_of(described, **{"data/0": np.ones(6).tobytes()}), **RELU)


def test_what_is_small_and_unpacks_to_much_is_refused():
    huge = np.zeros(8_400_000)  # 64 MiB may have any ratio
    content = state_dict({"a.weight": huge.reshape(4, -1)}, "{}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        described = archive.read("model/data.pkl")
    name = archive_of(described, **{"data/0": huge.tobytes()})
    assert Path(name).stat().st_size < 1 << 20
    with pytest.raises(InputError, match="times less; give --trust-size"):
        import_model(name, **RELU)


def test_a_member_that_unpacks_to_more_than_it_declares_is_not_unpacked_so_far():
    small, large = b"N." * 500, b"N." * 500 + bytes(50_000_000)
    whole = bytearray(Path(archive_of(large)).read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        found = whole.find(mark)
        whole[found + place - 8 : found + place - 4] = zlib.crc32(small).to_bytes(4, "little")
        whole[found + place : found + place + 4] = len(small).to_bytes(4, "little")
    Path("m.pt").write_bytes(whole)
    tracemalloc.start()
    refused_by_import("holds no state dict")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_way_of_packing_that_unpacks_without_end_is_refused():
    with zipfile.ZipFile("m.pt", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("m/data.pkl", bytes(1000))
    refused_by_import("packed neither by deflate")


def refused_by_import(words):
    with pytest.raises(InputError, match=words):
        import_model("m.pt", **RELU)


def test_safetensors_that_share_their_values_are_refused():
    whole = safetensors({"a": np.ones(50), "b": np.ones(50), "c": np.ones(50)}, {})
    for places in (b"[400,800]", b"[800,1200]"):
        whole = whole.replace(places, b"[0,400]".ljust(len(places)))
    whole = whole[:-800]
    with pytest.raises(InputError, match="share their values"):
        unpacked(whole, "m")


@pytest.mark.parametrize("shape", ["[0,4611686018427387904]", f"[{'1,' * 70}0]"])
def test_a_shape_that_no_array_has_is_refused(shape):
    header = f'{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}'.encode()
    with pytest.raises(InputError, match="declares a shape that no array has"):
        unpacked(len(header).to_bytes(8, "little") + header, "m")


@pytest.mark.long
@pytest.mark.parametrize("name", ["state_dict.pt", "nested.keras", "nested.h5", "sequential.keras"])
def test_files_with_changed_bytes_are_read_or_refused(name):
    random = np.random.default_rng(0)
    whole, refusals = np.frombuffer((DATA / name).read_bytes(), np.uint8), set()
    for _ in range(200):
        spoilt = whole.copy()
        spoilt[random.integers(0, len(whole), 4)] = random.integers(0, 256, 4)
        Path(name).write_bytes(spoilt.tobytes())
        try:
            import_model(name, **RELU)
        except (InputError, ConfigError) as error:
            refusals.add(str(error).partition(":")[0])
    assert refusals == {name}


# what cannot be imported


def refused(name, arrays, words, **named):
    Path(name).write_bytes(
        safetensors(arrays, {}) if name.endswith("s") else state_dict(arrays, "{}")
    )
    with pytest.raises(InputError, match=words):
        import_model(name, **(RELU | named))


def weights(*shapes):
    return {f"layer.{i}.weight": np.ones(shape, np.float32) for i, shape in enumerate(shapes)}


def test_layers_that_do_not_follow_one_another_are_refused():
    refused("m.safetensors", weights((3, 6), (6, 4)), "gives 3 values.*takes 4")


def test_widths_that_are_no_mirror_image_are_refused():
    refused("m.safetensors", weights((3, 6), (2, 3), (6, 2)), "6-3-2-6")
    refused("m.safetensors", weights((3, 6), (2, 3)), "6-3-2")


def test_other_layers_are_refused_by_their_names():
    own = weights((3, 6), (6, 3))
    norm = {"norm.weight": np.ones(6, np.float32)}
    refused("m.safetensors", own | norm, r"norm\.weight of shape \(6,\)")
    refused("m.safetensors", {"c.weight": np.ones((2, 1, 3, 3))}, "belongs to no dense layer")
    refused("m.safetensors", {"a.weight": np.ones((2, 3), np.int64)}, "int64")
    refused("m.safetensors", {"a.weight": np.full((1, 1), np.nan)} | weights((1, 1)), "NaN")


def test_a_pickle_that_is_called_safetensors_is_said_to_be_one():
    Path("m.safetensors").write_bytes((DATA / "state_dict.pt").read_bytes())
    with pytest.raises(InputError, match=r"not a safetensors file.*end its name in \.pt"):
        import_model("m.safetensors", **RELU)


def test_damaged_safetensors_are_refused():
    whole = safetensors(weights((3, 6), (6, 3)), {})
    for length in range(1, len(whole), 11):
        Path("m.safetensors").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"^m\.safetensors"):
            import_model("m.safetensors", **RELU)
    Path("m.safetensors").write_bytes(whole.replace(b'"shape":[3,6]', b'"shape":[3,7]'))
    with pytest.raises(InputError, match="do not lie in the file"):
        import_model("m.safetensors", **RELU)


def test_a_sparse_autoencoder_needs_the_config_that_lies_beside_it():
    export(model_of(hidden=(9,)), "m.safetensors")
    config = json.loads(Path("cfg.json").read_text())
    for change, words in (
        ({"architecture": "gated"}, "gated"),
        ({"normalize_activations": "layer_norm"}, "layer_norm"),
    ):
        Path("cfg.json").write_text(json.dumps(config | change))
        with pytest.raises(InputError, match=words):
            import_model("m.safetensors")
    Path("cfg.json").unlink()
    with pytest.raises(InputError, match=r"cfg\.json; put it beside"):
        import_model("m.safetensors")


def test_a_graph_with_branches_is_refused():
    with pytest.raises(InputError, match="its layer add has 2 inputs"):
        import_model(DATA / "branched.keras")


def changed(change, source="nested.keras"):
    """Write a model of Keras whose configuration was changed."""
    with zipfile.ZipFile(DATA / source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = change(members["config.json"].decode()).encode()
    with zipfile.ZipFile("m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return "m.keras"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"Dense"', '"Conv2D"', r"\(Conv2D\) is neither dense"),
        ('"activation": "relu"', '"activation": "mish"', "mish.*none of linear"),
        ('"class_name": "Sequential"', '"class_name": "Mine"', "a class of its author's"),
        ('"units"', '"layers": 3, "units"', None),
        ("{", "[", "no JSON object"),
        ('"layers":', '"layer":', "not as Keras writes it"),
    ],
)
def test_what_keras_can_do_and_gpuae_cannot_is_named(old, new, words):
    name = changed(lambda text: text.replace(old, new))
    if words is None:
        import_model(name)
        return
    with pytest.raises(InputError, match=rf"^m\.keras: .*{words}"):
        import_model(name)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("batch_normalization/vars/0", np.ones(5)),
        ("dense_1/vars/0", np.ones((3, 2))),
        ("dense_1/vars/0", np.ones(4)),
        ("dense/vars/0", np.ones((6, 4), np.int64)),
        ("batch_normalization/vars/3", -np.ones(4)),
    ],
)
def test_arrays_of_other_shapes_or_values_are_refused(path, value):
    with zipfile.ZipFile(DATA / "sequential.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    Path("w.h5").write_bytes(members["model.weights.h5"])
    with h5py.File("w.h5", "r+") as file:
        del file[f"layers/{path}"]
        file[f"layers/{path}"] = value
    members["model.weights.h5"] = Path("w.h5").read_bytes()
    with zipfile.ZipFile("m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"^m\.keras"):
        import_model("m.keras")


def test_scaling_of_other_columns_is_refused():
    model = model_of()
    export(model, "m.safetensors")
    arrays = unpacked(Path("m.safetensors").read_bytes(), "m")
    for name in ("center", "factor", "low", "high"):
        own = f"preprocess.{name}"
        refused("n.safetensors", {k: v for k, v in arrays.items() if k != own}, "missing")
        arrays[own] = np.ones(4)
    refused("n.safetensors", arrays, "scales 4 columns.*takes 5")


def test_a_slope_that_is_not_ours_is_named():
    name = changed(lambda text: text.replace("0.01", "0.3"), "sequential.keras")
    with pytest.raises(InputError, match=r"negative_slope=0\.3.*0\.01"):
        import_model(name)


def test_hdf5_that_is_no_whole_model_is_refused():
    with h5py.File("m.h5", "w") as file:
        file["x"] = np.ones(3)
    with pytest.raises(InputError, match=r"no whole model of Keras.*model\.save"):
        import_model("m.h5")


def test_weights_that_lie_elsewhere_are_refused():
    Path("m.h5").write_bytes((DATA / "nested.h5").read_bytes())
    with h5py.File("m.h5", "r+") as file:
        path = next(path for path in _paths(file) if path.endswith("kernel"))
        del file[path]
        file[path] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(InputError, match=r"^m\.h5"):
        import_model("m.h5")


def _paths(file):
    found = []
    file.visit(found.append)
    return found


def test_an_unknown_ending_is_refused():
    Path("m.pkl").write_bytes(pickle.dumps(1))
    with pytest.raises(InputError, match=r"one of \.keras"):
        import_model("m.pkl")
