"""A model card says what the model file says, and nothing else."""

import re
from dataclasses import replace

import numpy as np

from gpuae.exchange.exporting import export


def card(model, folder, name="m.npz"):
    export(model, folder / name, card=True, force=True)
    return (folder / "README.md").read_text("utf-8")


def test_it_begins_with_a_head_for_hugging_face(tmp_path, model):
    text = card(model, tmp_path)
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1]
    assert head.splitlines() == ["library_name: gpuae", "tags:", "- autoencoder", "- gpuae"]


def test_it_has_the_figures_that_the_file_has_and_no_others(tmp_path, model):
    assert "explained variance" not in card(model, tmp_path)
    known = {"held_out_rows": 20, "held_out_explained_variance": 0.5}
    history = {"epoch": np.arange(3), "loss": np.array([3.0, 2.0, 1.25])}
    text = card(replace(model, attributes=known, history=history), tmp_path)
    assert "| explained variance of held-out rows, preprocessed | 50.0% |" in text
    assert "| loss of the last epoch | 1.25 |" in text
    assert "PCA" not in text


def test_it_says_how_the_file_beside_it_is_used(tmp_path, model):
    assert "np.load('m.npz')" in card(model, tmp_path)
    assert "torch.load('m.pt', weights_only=True)" in card(model, tmp_path, "m.pt")


def test_names_of_columns_cannot_become_markup(tmp_path, model):
    names = ("<script>", "a|b", "`x`", "[y](z)", "n\nm")
    text = card(replace(model, feature_names=names), tmp_path)
    assert "‹script›, `a¦b`" in text.replace("`‹script›`", "‹script›")
    assert "<script>" not in text
    assert "](z)" not in text
    assert "n\\nm" in text
