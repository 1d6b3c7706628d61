"""State dicts and safetensors: read by their own libraries, run by the lines that come along."""

import json
import pickletools
import zipfile

import numpy as np
import pytest
from exchange_models import COLUMNS, model_of
from pairwise import pairwise

from gpuae.errors import OutputError
from gpuae.exchange import agreement
from gpuae.exchange.computation import Computation, selected
from gpuae.exchange.exporting import export
from gpuae.exchange.named_arrays import AS_IN_TORCH
from gpuae.exchange.safetensors_bytes import unpacked
from gpuae.exchange.torch_archive import read
from gpuae.exchange.torch_code import MODULES
from gpuae.functions.activations import ACTIVATIONS
from gpuae.model.network import SOFTMAX

NOT_ALONE = ("exponential",)
INNER = [name for name in ACTIVATIONS if name not in NOT_ALONE]


def rows_for(model):
    return agreement.made_up_rows(Computation.of(model), np.dtype(np.float32))[:40]


def test_pytorch_has_a_module_for_every_activation():
    assert set(MODULES) == {*ACTIVATIONS, SOFTMAX}


def test_a_state_dict_comes_back_as_it_was_written(tmp_path, model):
    export(model, tmp_path / "m.pt")
    with (tmp_path / "m.pt").open("rb") as file:
        found, _ = read(file, "m.pt")
    wanted = AS_IN_TORCH.arrays(Computation.of(model))
    assert list(found) == list(wanted)
    for name, own in wanted.items():
        assert found[name].dtype == own.dtype
        np.testing.assert_array_equal(found[name], own)


def test_the_pickle_imports_nothing_but_what_torch_load_allows(tmp_path, model):
    export(model, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        names = {
            argument
            for opcode, argument, _ in pickletools.genops(archive.read("model/data.pkl"))
            if opcode.name == "GLOBAL"
        }
        places = [
            own.header_offset + 30 + len(own.filename) + len(own.extra)
            for own in archive.infolist()
        ]
    assert names == {
        "collections OrderedDict",
        "torch FloatStorage",
        "torch DoubleStorage",
        "torch._utils _rebuild_tensor_v2",
    }
    assert not any(place % 64 for place in places)


@pairwise(
    activation=INNER,
    output=["identity", "sigmoid", "exponential"],
    scaling=["standard", "sigma", "whitened", "filled"],
    dtype=["float32", "float64"],
    sparsity=["none", "topk"],
    ending=[".pt", ".safetensors"],
)
def test_the_lines_that_come_along_give_the_same_numbers(
    tmp_path, monkeypatch, activation, output, scaling, dtype, sparsity, ending
):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    more = {"k": 2} if sparsity == "topk" else {}
    model = model_of(activation, output, scaling, dtype=dtype, sparsity=sparsity, **more)
    done = export(model, f"m{ending}")
    made = {}
    exec(done.code, made)
    rows = rows_for(model)
    wanted = Computation.of(model).run(rows)
    with torch.no_grad():
        code = made["model"].encode(torch.from_numpy(rows)).numpy()
        rebuilt = made["model"](torch.from_numpy(rows)).numpy()
        score = made["model"].score(torch.from_numpy(rows)).numpy()
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(code, wanted["code"], **tolerance)
    np.testing.assert_allclose(rebuilt, wanted["reconstruction"], **tolerance)
    np.testing.assert_allclose(score, wanted["score"], **tolerance)


def test_torch_can_map_the_values(tmp_path, model):
    torch = pytest.importorskip("torch")
    export(model, tmp_path / "m.pth")
    found = torch.load(tmp_path / "m.pth", weights_only=True, mmap=True)
    wanted = AS_IN_TORCH.arrays(Computation.of(model))
    assert {name: tuple(own.shape) for name, own in found.items()} == {
        name: own.shape for name, own in wanted.items()
    }


def test_safetensors_are_those_of_the_library(tmp_path, model):
    library = pytest.importorskip("safetensors.numpy")
    done = export(model, tmp_path / "m.safetensors")
    assert "more than one hidden layer" in done.notes[0]
    found = library.load_file(tmp_path / "m.safetensors")
    wanted = AS_IN_TORCH.arrays(Computation.of(model))
    assert set(found) == set(wanted)
    for name, own in wanted.items():
        np.testing.assert_array_equal(found[name], own)
    again = unpacked(library.save(found, {"a": "b"}), "again")
    assert set(again) == set(wanted)
    assert all(np.array_equal(again[name], found[name]) for name in found)


@pytest.mark.parametrize("scaling", ["none", "standard", "whitened"])
@pytest.mark.parametrize("settings", [{}, {"sparsity": "topk", "k": 3}], ids=["relu", "topk"])
def test_a_sparse_autoencoder_is_laid_out_as_its_tools_read_it(tmp_path, scaling, settings):
    """W_enc, b_enc, W_dec and b_dec take rows as they are; the config says what is done."""
    model = model_of(scaling=scaling, hidden=(12,), **settings)
    done = export(model, tmp_path / "sae_weights.safetensors")
    assert [own.name for own in done.files] == ["sae_weights.safetensors", "cfg.json"]
    config = json.loads((tmp_path / "cfg.json").read_text())
    own = unpacked((tmp_path / "sae_weights.safetensors").read_bytes(), "m")
    assert (config["d_in"], config["d_sae"]) == own["W_enc"].shape == (COLUMNS, 12)
    assert config["architecture"] == ("topk" if settings else "standard")
    assert config["apply_b_dec_to_input"] is False
    rows = rows_for(model)
    units = np.maximum(selected(rows @ own["W_enc"] + own["b_enc"], config.get("k")), 0)
    wanted = Computation.of(model).run(rows)
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(units, wanted["code"], **tolerance)
    rebuilt = units @ own["W_dec"] + own["b_dec"]
    np.testing.assert_allclose(rebuilt, wanted["reconstruction"], **tolerance)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"activation": "tanh"}, "code is not relu"),
        ({"output": "sigmoid"}, "output is not identity"),
        ({"scaling": "sigma"}, "cut off"),
        ({"scaling": "filled"}, "missing"),
    ],
)
def test_what_tools_for_sparse_autoencoders_cannot_compute_is_named_by_layer(
    tmp_path, settings, why
):
    done = export(model_of(hidden=(12,), **settings), tmp_path / "m.safetensors")
    assert why in done.notes[0]
    assert not (tmp_path / "cfg.json").exists()


def test_a_config_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "cfg.json").write_text("mine")
    with pytest.raises(OutputError, match=r"cfg\.json: exists already"):
        export(model_of(hidden=(12,)), tmp_path / "sae_weights.safetensors")
    assert [own.name for own in tmp_path.iterdir()] == ["cfg.json"]


def test_nothing_of_torch_is_needed_to_write(run_python):
    run_python(
        "import io, sys; sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "import numpy as np\n"
        "from gpuae.exchange.torch_file import packed\n"
        "from gpuae.exchange.torch_archive import read\n"
        "arrays = {'a': np.arange(6.0).reshape(2, 3), 'b': np.float32([[1]]), 'c': np.array(1.0)}\n"
        "found, _ = read(io.BytesIO(packed(arrays, '{}')), 'm')\n"
        "assert found['a'].tolist() == [[0, 1, 2], [3, 4, 5]] and found['c'] == 1\n"
    )
