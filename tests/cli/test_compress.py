"""compress and decompress: small files that rows come back from, and honest figures."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae.storage.outputs.columns_output import ColumnsOutput

FIT = ("--hidden", 4, "--epochs", 3, "--patience", 0, "--device", "numpy")
CPU = ("--device", "numpy")


@pytest.fixture
def images():
    """Bytes along two directions, and a little beside them."""
    random = np.random.default_rng(0)
    waves = np.sin(np.outer([1, 2], np.arange(12)))
    return (127 + 50 * random.random((600, 2)) @ waves + random.random((600, 12))).astype(np.uint8)


@pytest.fixture
def fitted(once, images):
    """A model of the images, beside them: rows of 12 columns."""

    def make(gpuae):
        np.save("rows.npy", images)
        assert gpuae("fit", "rows.npy", "-o", "model.h5", *FIT).code == 0

    once("model-of-images", make)


def rows_in(path):
    with h5py.File(path) as file:
        return file["data/x"][:]


def compressed(gpuae, *arguments):
    """Compress the rows and make them again; return the figures and the rows."""
    done = gpuae("compress", "model.h5", "rows.npy", "-o", "small.h5", *CPU, "--json", *arguments)
    assert done.code == 0, done.err
    Path("model.h5").rename("away.h5")
    again = gpuae("decompress", "small.h5", "-o", "again.h5", *CPU)
    assert again.code == 0, again.err
    Path("away.h5").rename("model.h5")
    return json.loads(done.out), rows_in("again.h5")


def test_rows_come_back_without_the_model_as_wrong_as_was_said(gpuae, fitted, images):
    figures, again = compressed(gpuae)
    assert again.dtype == np.uint8
    squares = (again.astype(float) - images) ** 2
    assert figures["rmse"] == pytest.approx(np.sqrt(squares.mean()), rel=1e-6)
    own = images.astype(float)
    explained = 1 - squares.sum() / ((own - own.mean(axis=0)) ** 2).sum()
    assert figures["explained_variance"] == pytest.approx(explained, rel=1e-6)
    assert figures["psnr"] == pytest.approx(10 * np.log10(255**2 / squares.mean()), rel=1e-6)


def test_sizes_are_those_of_the_files(gpuae, fitted, images):
    figures, _ = compressed(gpuae)
    assert figures["file"] == Path("small.h5").stat().st_size
    assert figures["input_file"] == Path("rows.npy").stat().st_size
    assert (figures["input_rows"], figures["input_float32"]) == (images.size, 4 * images.size)
    with h5py.File("small.h5") as file:
        assert figures["codes"] == file["codes/levels"].id.get_storage_size()
        assert "encoder" not in file["model"]
    assert figures["bits_per_value"] == pytest.approx(8 * figures["codes"] / (600 * 4))


def test_codes_are_those_of_encode_within_half_a_step(gpuae, fitted):
    compressed(gpuae, "--bits", 8)
    assert gpuae("encode", "model.h5", "rows.npy", "-o", "codes.h5", *CPU).code == 0
    with h5py.File("small.h5") as file, h5py.File("codes.h5") as exact:
        codes = file["codes"]
        values = (codes["levels"][:] + codes["first"][:]) * codes["step"][:]
        away = np.abs(values - exact["features/code"][:]) / codes["step"][:]
    assert 0.4 < away.max() <= 0.501


def test_more_bits_are_larger_and_nearer(gpuae, fitted):
    found = {}
    for bits in (2, 4, 10):
        found[bits], _ = compressed(gpuae, "--bits", bits, "--force")
        Path("again.h5").unlink()
    for few, many in ((2, 4), (4, 10)):
        assert found[few]["codes"] < found[many]["codes"]
        assert found[few]["rmse"] > found[many]["rmse"]
        assert found[few]["added_by_rounding"] > found[many]["added_by_rounding"]


def test_bits_follow_from_the_error_that_they_may_add(gpuae, fitted):
    np.save("rows.npy", np.load("rows.npy").astype(np.float32))
    figures, again = compressed(gpuae, "--added-error", 0.1)
    assert again.dtype == np.float32
    assert figures["psnr"] is None
    assert 0.05 < figures["added_by_rounding"] <= 0.101


@pytest.mark.parametrize("decoder", ["tied", "transpose"])
@pytest.mark.parametrize("settings", [("--whiten", "zca"), ("--sparsity", "topk", "--k", 2)])
def test_every_kind_of_decoder_is_kept(gpuae, images, decoder, settings):
    np.save("rows.npy", images.astype(np.float64))
    told = (*settings, "--decoder", decoder)
    assert gpuae("fit", "rows.npy", "-o", "model.h5", *FIT, *told).code == 0
    _, again = compressed(gpuae, "--bits", 14)
    assert gpuae("reconstruct", "model.h5", "rows.npy", "-o", "rebuilt.h5", *CPU).code == 0
    np.testing.assert_allclose(again, rows_in("rebuilt.h5"), atol=0.2)
    assert gpuae("verify", "small.h5", "model.h5").code == 0


def test_labels_ids_names_and_shapes_travel_along(gpuae, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1] / "data" / "v1")
    small, again, table = (tmp_path / name for name in ("small.h5", "again.h5", "again.csv"))
    given = ("compress", "model-tied.h5", "dataset.h5", "-o", small, *CPU)
    assert gpuae_in_archive(*given) == 0
    for out in (again, table):
        assert gpuae_in_archive("decompress", small, "-o", out, *CPU) == 0
    with h5py.File("dataset.h5") as one, h5py.File(again) as two:
        for name in ("y", "row_id", "feature_names"):
            np.testing.assert_array_equal(one["data"][name][:], two["data"][name][:])
        assert two["data/x"].attrs["image_shape"].tolist() == [2, 3]
    assert table.read_text(encoding="utf-8").startswith("row_id,label,a,b,größe,d d,e,f\n100,cat,")


def gpuae_in_archive(*arguments):
    from gpuae.cli import run

    return run([str(argument) for argument in arguments])


def test_missing_values_come_back_filled(gpuae, images):
    holes = images.astype(np.float32)
    holes[3, 1] = np.nan
    np.save("rows.npy", holes)
    assert gpuae("fit", "rows.npy", "-o", "model.h5", *FIT, "--missing", "mean").code == 0
    figures, again = compressed(gpuae)
    assert np.isfinite(again).all()
    assert np.isfinite(figures["rmse"])


def test_rows_that_stay_on_the_disk_give_the_same_file(gpuae, fitted, images, monkeypatch):
    with h5py.File("rows.h5", "w") as file:
        file.create_dataset("x", data=images, chunks=(50, 12), compression="gzip")
    monkeypatch.setattr("gpuae.storage.rows.row_blocks.BLOCK_BYTES", 1)
    monkeypatch.setattr("gpuae.compression.files.GPU_BLOCK_ROWS", 256)
    given = ("compress", "model.h5", "rows.h5::/x", *CPU, "-o")
    assert gpuae(*given, "memory.h5").code == 0
    assert gpuae(*given, "disk.h5", "--memory", "1K").code == 0
    with h5py.File("disk.h5") as file:
        assert file["codes/levels"].chunks == (256, 1)
    assert gpuae("verify", "--same", "memory.h5", "disk.h5").code == 0
    assert Path("memory.h5").read_bytes() == Path("disk.h5").read_bytes()
    for name in ("memory", "disk"):
        assert gpuae("decompress", f"{name}.h5", "-o", f"{name}-rows.h5", *CPU).code == 0
    np.testing.assert_array_equal(rows_in("memory-rows.h5"), rows_in("disk-rows.h5"))


def test_any_number_of_threads_gives_the_same_file(gpuae, fitted):
    for threads in (1, 2):
        given = ("compress", "model.h5", "rows.npy", "-o", f"{threads}.h5", "--threads", threads)
        assert gpuae(*given, "--device", "cpu").code == 0
    assert Path("1.h5").read_bytes() == Path("2.h5").read_bytes()


def test_rows_that_are_all_the_same(gpuae, fitted, images):
    np.save("rows.npy", np.tile(images[:1], (300, 1)))
    figures, again = compressed(gpuae)
    assert figures["explained_variance"] is None
    assert len(np.unique(again, axis=0)) == 1
    printed = gpuae("compress", "model.h5", "rows.npy", "-o", "b.h5", *CPU)
    assert "the rows are all the same" in printed.out


def test_a_single_row(gpuae, fitted, images):
    np.save("rows.npy", images[:1])
    _, again = compressed(gpuae)
    assert again.shape == (1, 12)


def test_rows_unlike_those_of_training_are_remarked(gpuae, fitted, images):
    np.save("other.npy", images[:, ::-1].astype(np.float32) * 1000)
    done = gpuae("compress", "model.h5", "other.npy", "-o", "small.h5", *CPU)
    assert done.code == 0, done.err
    assert "note: " in done.err
    assert "far beyond the range" in done.err


COMPRESS = ("compress", "model.h5", "rows.npy", "-o", "out.h5")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((*COMPRESS, "--bits", 0.5), "--bits 0.5"),
        ((*COMPRESS, "--bits", 17), "from 1 to 16"),
        ((*COMPRESS, "--bits", "nan"), "--bits nan"),
        ((*COMPRESS, "--added-error", 0), "--added-error 0"),
        ((*COMPRESS, "--added-error", "inf"), "--added-error inf"),
        ((*COMPRESS, "--bits", 3, "--added-error", 0.1), "leave one of them out"),
        (("compress", "rows.npy", "rows.npy", "-o", "out.h5"), "rows.npy"),
        (("compress", "small.h5", "rows.npy", "-o", "out.h5"), "is a gpuae compressed file"),
        (("compress", "model.h5", "narrow.npy", "-o", "out.h5"), "has 5 columns"),
        (("compress", "model.h5", "holes.npy", "-o", "out.h5"), "hold NaN"),
        (("compress", "model.h5", "small.h5", "-o", "out.h5"), "gpuae decompress"),
        (("compress", "model.h5", "rows.npy", "-o", "out.csv"), "is HDF5"),
        (("compress", "model.h5", "rows.npy", "-o", "small.h5"), "exists already"),
        (("compress", "model.h5", "rows.npy", "-o", "model.h5", "--force"), "is the input"),
        (("encode", "small.h5", "rows.npy", "-o", "out.h5"), "where a model is needed"),
        (("decode", "model.h5", "small.h5", "-o", "out.h5"), "gpuae decompress"),
        (("fit", "small.h5", "-o", "out.h5"), "gpuae decompress"),
        (("decompress", "model.h5", "-o", "out.h5"), "make one with gpuae compress"),
        (("decompress", "rows.npy", "-o", "out.h5"), "is not an HDF5 file"),
        (("decompress", "nowhere.h5", "-o", "out.h5"), "no such file"),
        (("decompress", "small.h5", "-o", "out.npy"), ".npy is not written"),
        (("decompress", "small.h5", "-o", "small.h5", "--force"), "is the input"),
        (("decompress", "small.h5", "-o", "model.h5"), "exists already"),
        (("decompress", "cut.h5", "-o", "out.h5"), "cut.h5"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_everything_as_it_is(
    gpuae, fitted, images, arguments, word
):
    np.save("narrow.npy", images[:, :5])
    np.save("holes.npy", np.where(images > 150, np.nan, images))
    assert gpuae("compress", "model.h5", "rows.npy", "-o", "small.h5", *CPU).code == 0
    Path("cut.h5").write_bytes(Path("small.h5").read_bytes()[:-5000])
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    refused(gpuae(*arguments), word)
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def changed(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


DAMAGES = {
    "step of 0": changed("codes/step", np.zeros(4)),
    "steps of another code": changed("codes/step", np.ones(5)),
    "first as text": changed("codes/first", [b"a"] * 4),
    "first as floats": changed("codes/first", np.ones(4)),
    "levels of another code": changed("codes/levels", np.zeros((600, 5), np.int16)),
    "levels of another type": changed("codes/levels", np.zeros((600, 4))),
    "no levels": lambda file: file.__delitem__("codes/levels"),
    "no decoder": lambda file: file.__delitem__("model/decoder"),
    "rows of text": lambda file: file["codes/levels"].attrs.__setitem__("row_type", "text"),
    "a label too many": lambda file: file.__setitem__("codes/y", np.zeros(601)),
    "a decoder of nothing": changed("model/decoder/0/bias", np.zeros((), np.float32)),
    "a decoder with NaN": changed("model/decoder/0/bias", np.full(12, np.nan, np.float32)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_contradicts_itself_is_refused_by_decompress_and_verify(gpuae, fitted, damage):
    assert gpuae("compress", "model.h5", "rows.npy", "-o", "small.h5", *CPU).code == 0
    with h5py.File("small.h5", "r+") as file:
        damage(file)
        del file.attrs["content_sha256"]
    refused(gpuae("decompress", "small.h5", "-o", "out.h5", *CPU), "small.h5")
    wrong = gpuae("verify", "small.h5")
    assert wrong.code == 1
    assert "WRONG" in wrong.out
    assert not Path("out.h5").exists()


def test_a_changed_level_is_found_by_verify(gpuae, fitted):
    assert gpuae("compress", "model.h5", "rows.npy", "-o", "small.h5", *CPU).code == 0
    assert "ok, compressed" in gpuae("verify", "small.h5").out
    with h5py.File("small.h5", "r+") as file:
        file["codes/levels"][7, 2] += 1
    assert "the hash differs" in gpuae("verify", "small.h5").out


def test_ctrl_c_leaves_nothing(gpuae, fitted, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = sorted(Path().iterdir())
    monkeypatch.setattr(ColumnsOutput, "write", interrupted)
    outcome = gpuae("compress", "model.h5", "rows.npy", "-o", "small.h5", *CPU)
    assert outcome.code == 130
    assert sorted(Path().iterdir()) == before
