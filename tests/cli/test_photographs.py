"""gpuae convert --patches: photographs in, a data set of patches out, or one sentence."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def photo(gpuae):
    """A grey image of 20 by 30 pixels in the working folder."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    return pixels


def test_tiles_of_an_image_are_a_data_set_of_images(gpuae, photo):
    done = gpuae("convert", "photo.png", "tiles.h5", "--patches", "8x10")
    assert done.code == 0, done.err
    assert "note: photo.png: 4 rows and 0 columns of pixels" in done.err
    with h5py.File("tiles.h5") as file:
        assert file["data/x"].shape == (6, 80)
        np.testing.assert_array_equal(file["data/x"][1].reshape(8, 10), photo[:8, 10:20])
        assert file["data/x"].attrs["image_shape"].tolist() == [8, 10]
        made = json.loads(file.attrs["provenance_json"])
    digest = sha256(Path("photo.png").read_bytes()).hexdigest()
    assert made["options"] == {"patches": "8x10"}
    assert made["sources"] == [{"role": "data", "name": "photo.png", "sha256": digest}]


def test_the_same_seed_gives_the_same_file(gpuae, photo):
    drawn = ("--patches", "8x8", "--count", 500)
    for name, seed in (("one", ()), ("two", ("--seed", 0)), ("three", ("--seed", 1))):
        assert gpuae("convert", "photo.png", f"{name}.h5", *drawn, *seed).code == 0
    one, two, three = (Path(f"{name}.h5").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    with h5py.File("three.h5") as file:
        made = json.loads(file.attrs["provenance_json"])
    assert made["options"] == {"patches": "8x8", "count": "500", "seed": "1"}


def test_patches_can_be_trained_on_and_become_tables(gpuae, photo):
    assert gpuae("convert", "photo.png", "p.h5", "--patches", "4x4", "--count", 40).code == 0
    fit = gpuae("fit", "p.h5", "-o", "m.h5", "--hidden", 4, "--epochs", 2, "--init", "distance")
    assert fit.code == 0, fit.err
    with h5py.File("m.h5") as file:
        assert file["model"].attrs["image_shape"].tolist() == [4, 4]
    assert gpuae("convert", "photo.png", "p.csv", "--patches", "2x2").code == 0
    assert len(Path("p.csv").read_text().splitlines()) == 151


def test_patches_have_equal_contrast_but_for_flat_ones(gpuae):
    pixels = np.full((4, 12), 100, np.uint8)
    pixels[:, 4:] += (np.arange(8) % 2 * 2).astype(np.uint8)  # of grain: a deviation of 1
    pixels[:, 8:] = 255 * (np.arange(4) % 2)
    Image.fromarray(pixels).save("photo.png")
    cut = ("--patches", "4x4", "--scale-rows", "standard")
    assert gpuae("convert", "photo.png", "p.h5", *cut).code == 0
    with h5py.File("p.h5") as file:
        x = file["data/x"][:]
        made = json.loads(file.attrs["provenance_json"])
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-6)
    floor = (255 / 80) ** 2
    expected = [0, 1 / np.sqrt(1 + floor), 127.5 / np.sqrt(127.5**2 + floor)]
    np.testing.assert_allclose(x.std(axis=1), expected, rtol=1e-6)
    assert made["options"] == {"patches": "4x4", "scale_rows": "standard"}


def test_tiles_in_colour_are_trained_on_and_rebuilt_as_tiles(gpuae, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(colours).save("colours.png")
    assert gpuae("convert", "colours.png", "tiles.h5", "--patches", "4x4").code == 0
    fit = ("fit", "tiles.h5", "-o", "m.h5", "--hidden", 4, "--epochs", 2, "--init", "distance")
    assert gpuae(*fit).code == 0
    assert gpuae("reconstruct", "m.h5", "tiles.h5", "-o", "again.h5").code == 0
    with h5py.File("tiles.h5") as tiles, h5py.File("again.h5") as again:
        np.testing.assert_array_equal(tiles["data/x"][1].reshape(4, 4, 3), colours[:4, 4:8])
        for file in (tiles, again):
            assert file["data/x"].shape == (36, 48)
            assert file["data/x"].attrs["image_shape"].tolist() == [4, 4, 3]


def test_a_folder_is_one_source_by_the_list_of_its_hashes(gpuae, photo):
    Path("folder").mkdir()
    lines = ""
    for name in ("a.png", "b.png"):
        Image.fromarray(photo).save(f"folder/{name}", compress_level=len(lines) and 1)
        lines += f"{sha256(Path('folder', name).read_bytes()).hexdigest()}  {name}\n"
    assert gpuae("convert", "folder", "p.h5", "--patches", "8x8", "--count", 9).code == 0
    digest = sha256(lines.encode()).hexdigest()
    with h5py.File("p.h5") as file:
        sources = json.loads(file.attrs["provenance_json"])["sources"]
        assert file.attrs["source_sha256"] == digest
    assert sources == [{"role": "data", "name": "folder", "sha256": digest}]
    assert f"data folder ({digest[:12]}…)" in gpuae("inspect", "p.h5").out
    assert gpuae("verify", "p.h5").code == 0
    inside = gpuae("convert", "folder", "folder/p.h5", "--patches", "8x8")
    assert inside.code == 0, inside.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--patches", "8"), "such as 8x8"),
        (("--patches", "0x8"), "such as 8x8"),
        (("--patches", "8x-8"), "such as 8x8"),
        (("--patches", "9" * 5000 + "x8"), "such as 8x8"),
        (("--patches", "٨x٨"), "such as 8x8"),
        (("--patches", "8x8", "--count", 0), "range"),
        (("--patches", "8x8", "--count", 10**12), "range"),
        (("--patches", "8x8", "--count", 9, "--seed", -1), "range"),
        (("--patches", "8x8", "--seed", 1), "give --count too"),
        (("--count", 9), "--count is for patches of images; give --patches"),
        (("--seed", 9), "--seed is for patches of images; give --patches"),
        (("--grey",), "--grey is for patches of images; give --patches"),
        (("--patches", "21x8"), "smaller than a patch of 21x8"),
        (("--patches", "8x8", "--no-header"), "--no-header is for tables"),
        (("--patches", "8x8", "--id-column", "a"), "--id-column"),
        ((), "is an image; cut it"),
    ],
)
def test_options_that_make_no_sense(gpuae, photo, options, words):
    Path("out.h5").write_text("kept")
    refused(gpuae("convert", "photo.png", "out.h5", "--force", *options), words)
    assert Path("out.h5").read_text() == "kept"


def test_what_cannot_be_read_replaces_nothing(gpuae, photo):
    Path("out.h5").write_text("kept")
    content = Path("photo.png").read_bytes()
    Path("cut.png").write_bytes(content[: len(content) // 2])
    Path("table.csv").write_text("a,b\n1,2\n")
    for name in ("cut.png", "table.csv", "missing.png", "."):
        source = "empty" if name == "." else name
        Path("empty").mkdir(exist_ok=True)
        refused(gpuae("convert", source, "out.h5", "--force", "--patches", "4x4"), source)
        assert Path("out.h5").read_text() == "kept"
    refused(gpuae("convert", "photo.png", "out.h5", "--patches", "4x4"), "exists already")
    replaced = gpuae("convert", "photo.png", "photo.png", "--force", "--patches", "4x4")
    refused(replaced, "is the input photo.png itself")


def test_an_output_may_not_replace_an_image_of_the_folder(gpuae, photo):
    Path("folder").mkdir()
    Path("photo.png").rename("folder/photo.png")
    Path("out.h5").symlink_to("folder/photo.png")
    done = gpuae("convert", "folder", "out.h5", "--force", "--patches", "4x4")
    refused(done, "is the input folder/photo.png itself")


def test_images_that_change_while_they_are_cut(gpuae, photo, monkeypatch):
    from gpuae.importers import patches

    pixels = patches.Picture.pixels

    def touched(picture):
        values = pixels(picture)
        Image.fromarray(values[..., 0]).save(picture.path, compress_level=1)
        return values

    monkeypatch.setattr(patches.Picture, "pixels", touched)
    done = gpuae("convert", "photo.png", "out.h5", "--patches", "4x4")
    refused(done, "photo.png: has changed while it was read")
    assert not Path("out.h5").exists()


def test_more_patches_than_the_disk_has_room_for(gpuae, photo):
    """None of them is drawn before that is known."""
    done = gpuae("convert", "photo.png", "out.h5", "--patches", "20x30", "--count", 1 << 32)
    refused(done, "--count" if "memory" in done.err else "make room")
    assert not Path("out.h5").exists()


def test_fit_sends_images_to_convert(gpuae, photo):
    refused(gpuae("fit", "photo.png", "-o", "m.h5"), "gpuae convert photo.png patches.h5 --patches")
