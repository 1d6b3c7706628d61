"""Folders of images on the command line: trained on, and used with a model of another size."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def photos(gpuae):
    """Forty grey images of 8 by 8 pixels, in two folders, in the working folder."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        folder = Path("photos", "ab"[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return pixels


@pytest.fixture
def model(gpuae, photos):
    done = gpuae("fit", "photos", "-o", "m.h5", "--hidden", 3, "--epochs", 1)
    assert done.code == 0, done.err
    assert "the names of the 2 subfolders are taken as the labels y" in done.err


def test_a_model_of_images_takes_images_of_any_size(gpuae, model):
    big = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    Path("new").mkdir()
    Image.fromarray(big).save("new/big.png")
    done = gpuae("encode", "m.h5", "new", "-o", "codes.csv")
    assert done.code == 0, done.err
    told = "1 of 1 images are scaled to 8x8 pixels, as m.h5 needs them; of 1 only the middle"
    assert told in done.err
    assert Path("codes.csv").read_text().splitlines()[1].startswith("big.png,")
    for command, what in (("score", "s.csv"), ("reconstruct", "r.h5")):
        made = gpuae(command, "m.h5", "new/big.png", "-o", what)
        assert made.code == 0, made.err
    with h5py.File("r.h5") as file:
        assert file["data/x"].shape == (1, 64)


def test_images_become_a_data_set_with_labels_and_names(gpuae, photos):
    done = gpuae("convert", "photos", "x.h5", "--size", "4x4", "--colour")
    assert done.code == 0, done.err
    with h5py.File("x.h5") as file:
        assert file["data/x"].shape == (40, 48)
        assert file["data/x"].attrs["image_shape"].tolist() == [4, 4, 3]
        assert sorted(set(file["data/y"].asstr())) == ["a", "b"]
        assert file["data/row_id"].asstr()[:2].tolist() == ["a/0.png", "a/2.png"]
        assert '"colour": "yes"' in file.attrs["provenance_json"]
        assert '"size": "4x4"' in file.attrs["provenance_json"]
    assert gpuae("verify", "x.h5").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "8"), "such as 8x8"),
        (("--grey", "--colour"), "exclude each other"),
        (("--size", "8x8", "--patches", "4x4"), "--size is for whole images"),
        (("--colour", "--patches", "4x4"), "--colour is for whole images"),
    ],
)
def test_options_that_do_not_fit_together(gpuae, photos, options, words):
    refused(gpuae("convert", "photos", "x.h5", *options), words)
    assert not Path("x.h5").exists()


def test_validation_data_of_another_size_are_scaled(gpuae, photos):
    Path("val").mkdir()
    Image.fromarray(np.kron(photos[0], np.ones((2, 2), np.uint8))).save("val/a.png")
    Image.fromarray(photos[1]).save("val/b.png")
    fit = ("fit", "photos", "-o", "m.h5", "--hidden", 3, "--epochs", 1)
    done = gpuae(*fit, "--validation-data", "val")
    assert done.code == 0, done.err
    assert "1 of 2 images are scaled to 8x8 pixels, as photos needs them" in done.err
