"""gpuae export and gpuae import in the shell: what is written, what is printed, what is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

DATA = Path(__file__).parents[1] / "exchange" / "data"
NAMED = ("--activation", "relu", "--code-activation", "identity", "--output-activation", "sigmoid")


def test_a_model_goes_out_and_comes_back(gpuae, model):
    assert gpuae("export", model, "-o", "m.pt").code == 0
    made = gpuae("import", "m.pt", "-o", "again.h5")
    assert made.code == 0, made.err
    assert "wrote 6-4-2-4-6 (" in made.out
    for name in ("model", "again"):
        assert gpuae("encode", f"{name}.h5", "rows.npy", "-o", f"codes_{name}.h5").code == 0
    codes = [h5py.File(f"codes_{name}.h5")["/features/code"][:] for name in ("model", "again")]
    np.testing.assert_array_equal(*codes)
    assert gpuae("verify", "again.h5", "m.pt").code == 0


def test_only_the_lines_that_load_it_are_results(gpuae, model):
    outcome = gpuae("export", model, "-o", "m.pt")
    compile(outcome.out, "network.py", "exec")
    assert "torch.load('m.pt', weights_only=True)" in outcome.out
    assert "wrote m.pt: code, reconstruction, score, which differ" in outcome.err


def test_onnx_and_a_card_are_written_together_or_not_at_all(gpuae, model):
    pytest.importorskip("onnxruntime")
    Path("README.md").write_text("mine")
    refused(gpuae("export", model, "-o", "m.onnx", "--card"), "README.md", "--force")
    assert not Path("m.onnx").exists()
    Path("README.md").unlink()
    assert gpuae("export", model, "-o", "m.onnx", "--card", "--outputs", "code, score").code == 0
    assert "code, score = session.run(" in Path("README.md").read_text()


def test_what_cannot_be_exported_is_one_sentence(gpuae, model, monkeypatch):
    refused(gpuae("export", model, "-o", "m.pkl"), "m.pkl", ".onnx")
    refused(gpuae("export", "rows.npy", "-o", "m.npz"), "rows.npy")
    refused(gpuae("export", model, "-o", model, "--force"), "model.h5", "itself")
    refused(gpuae("export", model, "-o", "m.npz", "--outputs", "code"), "outputs", ".npz")
    refused(gpuae("export", model, "-o", "m.onnx", "--outputs", "codes"), "codes", "it has code")
    monkeypatch.setattr("gpuae.exchange.required.find_spec", lambda name: None)
    refused(gpuae("export", model, "-o", "m.onnx"), "onnx", "pip install 'gpuae[onnx]'")
    assert not list(Path().glob("m.*"))


def test_what_cannot_be_imported_is_one_sentence(gpuae):
    refused(gpuae("import", DATA / "state_dict.pt", "-o", "m.h5"), "--output-activation")
    refused(gpuae("import", DATA / "whole_module.pt", "-o", "m.h5", *NAMED), "wants to call")
    refused(gpuae("import", DATA / "branched.keras", "-o", "m.h5"), "2 inputs")
    refused(gpuae("import", DATA / "state_dict.pt", "-o", "m.onnx", *NAMED), "m.onnx", ".h5")
    refused(gpuae("import", "no.keras", "-o", "m.h5"), "no.keras", "no such file")
    assert gpuae("import", DATA / "nested.h5", "-o", "own.h5").code == 0
    refused(gpuae("import", "own.h5", "-o", "m.h5"), "own.h5", "as it is")
    refused(gpuae("import", DATA / "state_dict.pt", "-o", "m.h5", *NAMED, "--k", 9), "k=9")
    assert not Path("m.h5").exists()


@pytest.mark.long
def test_an_imported_model_is_evaluated_drawn_and_trained_further(gpuae):
    np.save("rows.npy", np.random.default_rng(0).random((40, 6)).astype(np.float32))
    assert gpuae("import", DATA / "nested.keras", "-o", "m.h5").code == 0
    assert gpuae("evaluate", "m.h5", "rows.npy").code == 0
    assert gpuae("plot", "onehot", "m.h5", "-o", "m.png").code == 0
    assert gpuae("score", "m.h5", "rows.npy", "-o", "scores.csv").code == 0
    more = ("--init-from", "m.h5", "--epochs", 1)
    trained = gpuae("fit", "rows.npy", "-o", "n.h5", *more)
    assert trained.code == 0, trained.err
