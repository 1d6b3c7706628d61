"""Folders of images as rows; the images are written by Pillow."""

import os
from hashlib import sha256
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import ImageOptions, LabelsFile, ReadOptions, open_data, pillow
from gpuae.importers import images as importer
from gpuae.importers.named_files import NamedFiles

Image = pytest.importorskip("PIL.Image")

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
DEEP = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2700


@pytest.fixture
def save(tmp_path):
    """A function that writes an image of some pixels, or a ready one, and returns its path."""

    def save(pixels, name="photos/a.png", **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
        image.save(path, **options)
        return path

    return save


@pytest.fixture
def photos(tmp_path):
    return str(tmp_path / "photos")


def images(spec, size=None, channels=None, **options):
    return open_data(str(spec), options=ReadOptions(images=ImageOptions(size, channels), **options))


def refused(spec, words, *given):
    with pytest.raises(InputError, match=words) as caught:
        images(spec, *given)
    assert "\n" not in str(caught.value)


def test_each_image_of_a_folder_is_a_row_with_its_name_in_natural_order(save, photos):
    for number in (10, 2, 1):
        save(GREY + number, f"photos/im{number}.png")
    dataset = open_data(photos)
    assert dataset.row_id.tolist() == ["im1.png", "im2.png", "im10.png"]
    np.testing.assert_array_equal(dataset.x[1].reshape(4, 6), GREY + 2)
    assert dataset.x.dtype == np.uint8
    assert dataset.image_shape == (4, 6)
    assert dataset.y is None
    assert dataset.source == photos


def test_colours_and_16_bits_stay_what_they_are(save, photos, tmp_path):
    save(COLOURS)
    dataset = open_data(photos)
    np.testing.assert_array_equal(dataset.x[0].reshape(4, 6, 3), COLOURS)
    assert dataset.image_shape == (4, 6, 3)
    save(DEEP, "deep/a.png")
    deep = open_data(str(tmp_path / "deep"))
    assert deep.x.dtype == np.uint16
    np.testing.assert_array_equal(deep.x[0], DEEP.reshape(-1))


def test_subfolders_are_labels(save, photos):
    for name in ("dog/1.png", "cat/2.png", "cat/deeper/1.png"):
        save(GREY, f"photos/{name}")
    save(GREY, "photos/.hidden/1.png")
    dataset = open_data(photos)
    assert dataset.row_id.tolist() == ["cat/2.png", "cat/deeper/1.png", "dog/1.png"]
    assert dataset.y.tolist() == ["cat", "cat", "dog"]
    assert "the names of the 2 subfolders are taken as the labels y" in dataset.notes


def test_labels_of_a_file_take_the_place_of_subfolders(save, photos, tmp_path):
    save(GREY, "photos/dog/1.png")
    save(GREY, "photos/cat/1.png")
    np.save(tmp_path / "y.npy", [7, 8])
    assert open_data(photos, LabelsFile(tmp_path / "y.npy")).y.tolist() == [7, 8]


def test_other_files_in_a_folder_are_left_out_with_a_note(save, photos, tmp_path):
    save(GREY)
    save(GREY, "photos/sub/b.png")
    (tmp_path / "photos/readme.txt").write_text("words")
    (tmp_path / "photos/.DS_Store").write_text("hidden")
    dataset = open_data(photos)
    assert len(dataset.x) == 1
    assert dataset.notes == (f"{photos}: 2 of 3 entries are no images by name",)


def test_a_pattern_names_images(save, photos, tmp_path):
    for name in ("cat/a.png", "cat/b.jpg", "dog/a.png"):
        save(GREY, f"photos/{name}")
    dataset = open_data(f"{photos}/*/*.png")
    assert dataset.row_id.tolist() == ["cat/a.png", "dog/a.png"]
    assert dataset.y.tolist() == ["cat", "dog"]
    refused(f"{photos}/*.bmp", "no file has such a name")


def test_the_pages_of_a_tiff_are_rows(save, photos):
    pages = [Image.fromarray(DEEP + page) for page in range(3)]
    path = save(pages[0], "photos/stack.tif", save_all=True, append_images=pages[1:])
    for spec, name in ((path, "stack.tif"), (photos, "stack.tif")):
        dataset = open_data(str(spec))
        assert dataset.row_id.tolist() == [f"{name}:{page}" for page in (1, 2, 3)]
        np.testing.assert_array_equal(dataset.x[2].reshape(4, 6), DEEP + 2)
        assert dataset.notes == ()


def test_images_are_scaled_by_means_of_pixels_and_not_distorted(save, photos):
    save(np.kron(np.array([[0, 100], [200, 40]]), np.ones((8, 8))).astype(np.uint8))
    wide = np.zeros((16, 48), np.uint8)
    wide[:, 8:40] = 90
    save(wide, "photos/b.png")
    dataset = images(photos, (2, 2))
    square, middle = dataset.x.reshape(2, 2, 2).astype(int)
    assert square.argsort(axis=None).tolist() == [0, 3, 1, 2]
    np.testing.assert_array_equal(middle, 90)
    expected = "2 of 2 images are scaled to 2x2 pixels; of 1 only the middle has that shape"
    assert dataset.notes == (expected,)


def test_a_jpeg_that_is_scaled_is_close_to_what_it_is_when_all_of_it_is_read(save, photos):
    across, down = np.meshgrid(np.linspace(0, 3, 512), np.linspace(0, 2, 512))
    smooth = (127 + 100 * np.sin(across) * np.cos(down)).astype(np.uint8)
    save(smooth, "photos/a.jpg", quality=95)
    save(smooth, "photos/b.png")
    fast, whole = images(photos, (16, 16)).x.astype(int)
    assert abs(fast - whole).max() <= 3


def test_16_bits_keep_their_depth_when_they_are_scaled(save, photos):
    save(np.full((8, 8), 60_001, np.uint16))
    np.testing.assert_array_equal(images(photos, (2, 3)).x, 60_001)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_photographs_are_upright_as_their_orientation_says(save, photos, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(GREY, exif=exif)
    turned = {3: GREY[::-1, ::-1], 6: np.rot90(GREY, -1), 8: np.rot90(GREY)}[orientation]
    dataset = open_data(photos)
    np.testing.assert_array_equal(dataset.x[0].reshape(dataset.image_shape), turned)


def test_transparency_is_left_out_and_palettes_are_colours(save, photos):
    save(np.dstack([COLOURS, np.full((4, 6), 9, np.uint8)]))
    save(Image.fromarray(COLOURS).quantize(16), "photos/b.png")
    dataset = open_data(photos)
    np.testing.assert_array_equal(dataset.x[0].reshape(COLOURS.shape), COLOURS)
    assert dataset.image_shape == (4, 6, 3)
    assert dataset.notes == ("1 of 2 images: transparency is left out",)


def test_grey_and_colour_make_images_alike(save, photos):
    save(COLOURS)
    save(GREY, "photos/b.png")
    refused(photos, "a.png has colours and b.png is grey; give --grey or --colour")
    assert images(photos, channels=1).image_shape == (4, 6)
    coloured = images(photos, channels=3)
    np.testing.assert_array_equal(coloured.x[1].reshape(4, 6, 3), np.dstack([GREY] * 3))
    save(DEEP, "photos/c.png")
    refused(photos, "a.png has 8 bits a pixel and c.png has 16 bits", None, 1)
    refused(photos, "c.png: is grey of 16 bits, which cannot become colours", None, 3)


def test_images_of_several_sizes_are_refused_with_two_of_them(save, photos):
    save(GREY)
    save(GREY[:3], "photos/b.png")
    refused(photos, r"a.png has 4x6 pixels .* and b.png has 3x6 pixels .*; give --size")


def test_images_that_do_not_fit_into_memory_are_read_when_they_are_asked_for(save, photos):
    for number in range(5):
        save(GREY + number, f"photos/{number}.png")
    lazy = open_data(photos, memory=50).x
    assert not isinstance(lazy, np.ndarray)
    np.testing.assert_array_equal(lazy[1:4], open_data(photos).x[1:4])


def test_a_damaged_image_is_named(save, photos, tmp_path):
    save(GREY)
    content = save(COLOURS, "photos/b.png").read_bytes()
    (tmp_path / "photos/b.png").write_bytes(content[:60])
    refused(photos, r"b\.png: cannot be read as an image", None, 1)
    (tmp_path / "photos/b.png").write_bytes(b"")
    refused(photos, r"b\.png: is empty")


@pytest.mark.parametrize("name", ["nothing", "words"])
def test_a_folder_without_images_is_refused(tmp_path, name):
    (tmp_path / "words").mkdir()
    (tmp_path / "words/a.txt").write_text("words")
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / name, "is a folder")


def test_what_is_for_images_is_refused_for_other_data(tmp_path):
    np.save(tmp_path / "x.npy", GREY)
    refused(tmp_path / "x.npy", "x.npy: --size is for images; leave it out", (2, 2))
    refused(tmp_path / "x.npy", "x.npy: --colour is for images; leave it out", None, 3)
    refused("digits", "digits: --grey is for images; leave it out", None, 1)


def test_options_of_tables_are_refused_for_images(save, photos):
    save(GREY)
    with pytest.raises(InputError, match="--no-header is for tables of text"):
        open_data(photos, options=ReadOptions(header=False))


def test_a_single_image_is_a_row_when_its_size_is_said(save):
    path = save(GREY)
    assert images(path, (4, 6)).row_id.tolist() == ["a.png"]
    refused(path, "is an image; cut it")


def test_the_hash_of_images_is_that_of_their_list_and_changes_are_noticed(save, tmp_path):
    paths = [save(GREY, f"photos/{name}") for name in ("x/a.png", "y/b.png")]
    files = NamedFiles(tmp_path / "photos", paths)
    lines = (
        f"{sha256(path.read_bytes()).hexdigest()}  {path.parent.name}/{path.name}\n"
        for path in paths
    )
    assert files.sha256 == sha256("".join(lines).encode()).hexdigest()
    assert files.changed is None
    os.utime(paths[1], (1, 1))
    assert files.changed == paths[1]


def test_a_tiff_of_many_pages_is_opened_few_times_to_read_them(save, monkeypatch):
    pages = np.random.default_rng(0).integers(0, 256, (100, 2, 3), np.uint8)
    first, *others = map(Image.fromarray, pages)
    path = save(first, "stack.tif", save_all=True, append_images=others)
    found = open_data(str(path), memory=0).x
    opened = Mock(side_effect=pillow.opened)
    monkeypatch.setattr(importer, "opened", opened)
    np.testing.assert_array_equal(found[0:100], pages.reshape(100, 6))
    assert opened.call_count <= importer.MOST_THREADS
    np.testing.assert_array_equal(found[37:39], pages[37:39].reshape(2, 6))


def test_a_subfolder_that_cannot_be_read_is_named_and_not_left_out(save, photos, monkeypatch):
    for name in ("x/a.png", "y/b.png"):
        save(GREY, f"photos/{name}")
    scan = os.scandir

    def refuse(folder):
        if Path(folder).name == "y":
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    refused(photos, "y: cannot be read .Permission denied.; ask its owner")
