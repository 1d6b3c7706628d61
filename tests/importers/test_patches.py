"""Photographs as rows: which pixels a patch has, and what is refused."""

import os
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, PatchOptions, ReadOptions, files_of, open_data, patches
from gpuae.storage.files import limits

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def save(tmp_path):
    """A function that writes pixels as an image and returns its path."""

    def save(pixels, name="photo.png", mode=None, **options):
        image = Image.fromarray(np.asarray(pixels))
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        (image if mode is None else image.convert(mode)).save(path, **options)
        return path

    return save


def cut(path, size=(3, 4), count=None, seed=0, grey=False):
    return open_data(str(path), options=ReadOptions(patches=PatchOptions(size, count, seed, grey)))


def rows_of(dataset):
    return dataset.x[0 : len(dataset.x)]


@pytest.mark.parametrize("channels", [(), (3,)])
def test_tiles_are_the_blocks_of_the_image_row_by_row(save, random, channels):
    pixels = random.integers(0, 256, (9, 12, *channels), np.uint8)
    dataset = cut(save(pixels))
    blocks = [pixels[y : y + 3, x : x + 4] for y in range(0, 9, 3) for x in range(0, 12, 4)]
    np.testing.assert_array_equal(rows_of(dataset), np.reshape(blocks, (9, -1)))
    assert dataset.x.dtype == np.uint8
    assert dataset.image_shape == (3, 4, *channels)
    assert dataset.notes == ()


def test_what_is_left_over_at_the_edges_is_not_used_and_said_so(save, random):
    pixels = random.integers(0, 256, (11, 13), np.uint8)
    dataset = cut(save(pixels))
    np.testing.assert_array_equal(
        rows_of(dataset), rows_of(cut(save(pixels[:9, :12], "whole.png")))
    )
    assert "2 rows and 1 columns of pixels at the lower and right edge" in dataset.notes[0]


@pytest.mark.parametrize("channels", [(), (3,)])
def test_any_stretch_of_rows_is_the_same_as_all_of_them(save, random, channels, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        save(random.integers(0, 256, (10, 11, *channels), np.uint8), f"folder/{name}")
    for count in (None, 40):
        dataset = cut(tmp_path / "folder", count=count)
        whole = rows_of(dataset)
        for start, stop in ((0, 1), (5, 14), (8, 9), (9, len(whole))):
            np.testing.assert_array_equal(dataset.x[start:stop], whole[start:stop])


def numbered(height, width, first=0):
    """Pixels each of which says where it is."""
    return (first + np.arange(height * width, dtype=np.uint16)).reshape(height, width)


def positions(dataset, width):
    """Row and column of the upper left pixel of each patch of `numbered` pixels."""
    return np.divmod(rows_of(dataset)[:, 0].astype(int), width)


def test_drawn_patches_are_whole_and_at_every_position_as_often(save):
    dataset = cut(save(numbered(7, 9)), count=30_000)
    down, across = positions(dataset, 9)
    inside = np.add.outer(9 * np.arange(3), np.arange(4)).ravel()
    np.testing.assert_array_equal(rows_of(dataset), (9 * down + across)[:, None] + inside)
    counts = np.bincount(6 * down + across, minlength=30)
    assert len(counts) == 5 * 6
    assert ((counts - 1000) ** 2 / 1000).sum() < 58  # chi² of 29 degrees, one in a thousand


def test_images_are_drawn_from_in_proportion_to_their_positions(save, tmp_path):
    save(numbered(5, 6), "folder/a.png")  # 3 · 3 positions
    save(numbered(3, 4, 1000), "folder/b.png")  # 1
    save(numbered(8, 8, 2000), "folder/c.png")  # 6 · 5
    dataset = cut(tmp_path / "folder", count=8000)
    image = rows_of(dataset)[:, 0] // 1000
    assert (np.diff(image.astype(int)) >= 0).all()
    shares = np.bincount(image) / 8000
    np.testing.assert_allclose(shares, np.array([9, 1, 30]) / 40, atol=0.02)


def test_a_seed_gives_the_same_patches_everywhere(save):
    path = save(numbered(200, 300))
    down, across = positions(cut(path, (8, 8), 5, seed=3), 300)
    assert list(zip(down.tolist(), across.tolist(), strict=True)) == KNOWN
    more = positions(cut(path, (8, 8), 70_000, seed=3), 300)
    np.testing.assert_array_equal(more[0][:5], down)
    other = positions(cut(path, (8, 8), 5, seed=4), 300)
    assert not np.array_equal(other, (down, across))


KNOWN = [(25, 197), (131, 250), (59, 75), (169, 256), (144, 127)]


def test_known_positions_follow_from_the_definition():
    from gpuae.backends.philox import Purpose, words

    drawn = words(3, Purpose.PATCHES, np.arange(5), 2).tolist()
    found = [((high << 32 | low) >> 11) * (193 * 293) >> 53 for high, low in drawn]
    assert [divmod(position, 293) for position in found] == KNOWN


# Colours


COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 200, 30]]], np.uint8)


def test_grey_of_colours_is_luma(save):
    x = rows_of(cut(save(COLOURS), (2, 2), grey=True))
    luma = COLOURS.reshape(4, 3) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(x[0], luma, atol=1)
    assert cut(save(COLOURS), (2, 2), grey=True).image_shape == (2, 2)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK", "RGB"])
def test_colours_of_every_kind_become_red_green_and_blue(save, mode):
    flat = np.full((4, 4, 3), 255, np.uint8)
    flat[:, :2] = [255, 0, 0]
    name = "photo.tif" if mode == "CMYK" else "photo.png"
    dataset = cut(save(flat, name, mode), (4, 4))
    np.testing.assert_array_equal(rows_of(dataset).reshape(4, 4, 3), flat)
    assert dataset.notes == ((f"{dataset.source}: transparency is left out",) * (mode == "RGBA"))


def test_transparency_of_a_palette_is_left_out_too(save):
    image = Image.fromarray(COLOURS).convert("P")
    path = save(COLOURS)
    image.save(path, transparency=bytes([0, 128, 255]))
    dataset = cut(path, (2, 2))
    assert "transparency is left out" in dataset.notes[0]
    assert dataset.image_shape == (2, 2, 3)


def test_black_and_white_is_grey(save):
    pixels = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(rows_of(cut(save(pixels), (4, 4)))[0], 255 * pixels.ravel())


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
@pytest.mark.parametrize("grey", [False, True])
def test_grey_of_sixteen_bits_keeps_its_values(save, random, ending, grey):
    pixels = random.integers(0, 65536, (6, 8)).astype(np.uint16)
    dataset = cut(save(pixels, f"deep.{ending}"), (6, 8), grey=grey)
    assert dataset.x.dtype == np.uint16
    np.testing.assert_array_equal(rows_of(dataset)[0], pixels.ravel())


def test_colours_of_sixteen_bits_lose_half_of_them_and_that_is_said(tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(png(2, 2, b"\0" + bytes(range(12)) + b"\0" + bytes(range(12)), depth=16))
    assert "16 bits a colour become 8" in cut(path, (2, 2)).notes[0]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
def test_of_colours_of_eight_bits_nothing_is_said(save, random, compression):
    for width in range(16, 20):
        pixels = random.integers(0, 256, (16, width, 3), np.uint8)
        path = save(pixels, "a.tif", compression=compression)
        assert cut(path, (16, width)).notes == ()


def png(width, height, lines, depth=8, colour=2):
    """Return a PNG file by hand."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_images_are_turned_as_their_camera_was_held(save, orientation, ending):
    upright = numbered(4, 6).astype(np.uint8)
    stored = [
        upright,
        upright[:, ::-1],
        upright[::-1, ::-1],
        upright[::-1],
        upright.T,
        np.rot90(upright),
        upright[::-1, ::-1].T,
        np.rot90(upright, -1),
    ][orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(np.ascontiguousarray(stored), f"held.{ending}", exif=exif)
    np.testing.assert_array_equal(rows_of(cut(path, (4, 6)))[0], upright.ravel())


def test_of_several_images_in_a_file_the_first_is_used(save):
    first, second = numbered(4, 4), numbered(4, 4, 100)
    path = save(first, "two.tif", save_all=True, append_images=[Image.fromarray(second)])
    dataset = cut(path, (4, 4))
    np.testing.assert_array_equal(rows_of(dataset)[0], first.ravel())
    assert "the first is used" in dataset.notes[0]


# Folders


def test_a_folder_is_its_images_in_the_order_of_their_names(save, tmp_path):
    for first, name in ((200, "b.png"), (100, "a.tif"), (300, "C.PNG")):
        save(numbered(3, 4, first), f"folder/{name}")
    for name in ("notes.txt", ".hidden.png"):
        (tmp_path / "folder" / name).write_text("no image")
    dataset = cut(tmp_path / "folder")
    assert rows_of(dataset)[:, 0].tolist() == [300, 100, 200]
    assert dataset.notes == (f"{tmp_path / 'folder'}: 1 of 4 entries are no images by name",)
    options = ReadOptions(patches=PatchOptions((3, 4)))
    names = [path.name for path in files_of(str(tmp_path / "folder"), options)]
    assert names == ["C.PNG", "a.tif", "b.png"]


def test_a_remark_on_several_images_is_made_once(save, tmp_path):
    for name in "abc":
        save(COLOURS, f"folder/{name}.png", "RGBA" if name < "c" else "RGB")
    assert cut(tmp_path / "folder", (2, 2)).notes == ("2 of 3 images: transparency is left out",)


def test_only_the_image_at_work_is_in_memory(save, tmp_path, monkeypatch):
    for name in "abc":
        save(COLOURS, f"folder/{name}.png")
    read = []
    pixels = patches.Picture.pixels
    monkeypatch.setattr(
        patches.Picture, "pixels", lambda own: read.append(own.path.stem) or pixels(own)
    )
    dataset = cut(tmp_path / "folder", (1, 1))
    assert read == []
    for row in range(len(dataset.x)):
        dataset.x[row : row + 1]
    assert read == ["a", "b", "c"]


# What is refused


def refused(path, message, **options):
    with pytest.raises(InputError, match=message) as error:
        rows_of(cut(path, **options))
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("name", ["table.csv", "photo.jpg", "photo.png", "photo.tif"])
def test_what_is_no_image(tmp_path, name):
    (tmp_path / name).write_text("a,b\n1,2\n")
    refused(tmp_path / name, "is no image that can be read")


def test_files_of_formats_that_pillow_hands_to_other_programs(tmp_path):
    (tmp_path / "drawing.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    refused(tmp_path / "drawing.png", "is no image that can be read")


def test_an_empty_file_a_missing_one_and_a_pipe(tmp_path):
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "empty.png", "is empty")
    refused(tmp_path / "missing.png", "there is no such file")
    refused(tmp_path / "pipe.png", "is not a plain file")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.gif", "a.webp", "a.bmp", "a.jp2"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_an_image_that_is_cut_short(save, random, name, share):
    """Wherever it ends; of some formats the rest can be told to be whole."""
    path = save(random.integers(0, 256, (40, 50, 3), np.uint8), name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "cannot be read as an image|is no image")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.gif", "a.webp", "a.bmp", "a.ppm"])
def test_damage_is_found_or_goes_unseen_but_never_crashes(save, random, name):
    path = save(random.integers(0, 256, (20, 30, 3), np.uint8), name)
    content = path.read_bytes()
    for _ in range(25):
        broken = bytearray(content)
        for place in random.integers(0, min(len(broken), 600), 3):
            broken[place] = random.integers(0, 256)
        path.write_bytes(broken)
        with suppress(InputError):
            rows_of(cut(path))


def test_an_image_smaller_than_a_patch(save):
    path = save(numbered(6, 4))
    refused(path, r"has 6x4 pixels \(height by width\), smaller than a patch of 4x6", size=(4, 6))
    refused(path, "smaller than a patch of 7x4", size=(7, 4), count=3)


def test_values_that_are_neither_grey_nor_colours(save):
    refused(save(np.zeros((4, 4), np.float32), "a.tif"), "mode F, which are neither")
    refused(save(np.full((4, 4), 70_000, np.int32), "b.tif"), "outside of 16 bits")


def test_images_of_which_only_some_are_grey(save, tmp_path):
    save(COLOURS, "folder/a.png")
    save(COLOURS[..., 0], "folder/b.png")
    refused(tmp_path / "folder", "a.png has colours and b.png is grey; give --grey", size=(2, 2))
    assert len(cut(tmp_path / "folder", (2, 2), grey=True).x) == 2
    save(numbered(2, 2), "folder/c.png")
    refused(tmp_path / "folder", "a.png has 8 bits and c.png 16 bits", size=(2, 2), grey=True)


def test_a_folder_without_images(tmp_path):
    refused(tmp_path, "is a folder without images")


def test_a_damaged_image_in_a_folder_is_named(save, tmp_path):
    save(COLOURS, "folder/a.png")
    (tmp_path / "folder/b.png").write_text("nothing")
    with pytest.raises(InputError, match=r"b.png: is no image"):
        cut(tmp_path / "folder", (2, 2))


def test_a_few_bytes_that_declare_a_gigantic_image(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(12_000, 10_000, b""))
    refused(path, "pixels, more than a photograph has; .*--trust-size")
    with limits.trust_size():
        refused(path, "cannot be read as an image")
        monkeypatch.setattr(limits, "physical_memory", lambda: 1 << 20)
        refused(path, "more than this machine's memory")
    assert Image.MAX_IMAGE_PIXELS


def test_more_patches_than_memory_can_sort(save, monkeypatch):
    path = save(numbered(6, 8))
    monkeypatch.setattr(limits, "physical_memory", lambda: 1 << 30)
    refused(path, "lower --count", count=1 << 30)


def test_without_pillow_one_sentence_says_what_to_install(save, monkeypatch):
    path = save(numbered(6, 8))
    find = patches.check_installed.__globals__["find_spec"]
    monkeypatch.setitem(
        patches.check_installed.__globals__,
        "find_spec",
        lambda name: None if name == "PIL" else find(name),
    )
    refused(path, r"pip install 'gpuae\[images\]'")


def test_nothing_of_pillow_is_loaded_for_other_data(run_python):
    run_python(
        "import sys\n"
        "from gpuae.importers import open_data\n"
        "open_data('digits')\n"
        "assert 'PIL' not in sys.modules\n"
    )


def test_digits_are_rows_already():
    with pytest.raises(InputError, match="leave --patches out"):
        cut("digits")


@pytest.mark.parametrize("name", ["photo.jpg", "no-ending", "photo.TIFF", "photo.ppm"])
def test_an_image_has_to_be_cut_before_it_is_rows(save, tmp_path, name):
    path = tmp_path / name
    save(COLOURS, "a.jpg" if "." not in name else name.lower()).rename(path)
    with pytest.raises(InputError, match=r"is an image; cut it .*gpuae convert .* --patches 8x8"):
        open_data(str(path))
    with pytest.raises(InputError, match="labels are not read from an image"):
        open_data("digits", labels=LabelsFile(path))
