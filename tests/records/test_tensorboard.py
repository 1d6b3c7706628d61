"""Event files for TensorBoard: what is in them, read by TensorBoard's own format."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from gpuae.config import Config
from gpuae.errors import OutputError
from gpuae.records import tensorboard
from gpuae.training.fitting import fit
from gpuae.training.history import EpochRecord

SETTINGS = {"hidden": (4,), "depth": 1, "epochs": 3, "batch_size": 16, "folds": 1, "patience": 5}


def events(folder):
    """Read the records of an event file: a length, its sum, the event, its sum."""
    (path,) = folder.iterdir()
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def values(folder):
    """Return what was written under each tag, (step, value) each."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value))
    return found


@pytest.fixture
def x(low_rank):
    return low_rank(100, 36).astype(np.float32)


def written(folder, x, monkeypatch=None, **options):
    if monkeypatch:
        monkeypatch.setattr(tensorboard, "SHARE", 1e9)
    with tensorboard.writing(folder, x[:20], pytest.fail) as observer:
        return fit(x, Config.parse(SETTINGS), observer=observer, **options)


def test_losses_of_every_epoch_are_scalars(x, tmp_path):
    history = written(tmp_path / "run", x).model.history
    found = values(tmp_path / "run")
    for name in ("loss", "val_loss", "learning_rate"):
        steps, scalars = zip(*found[name], strict=True)
        assert steps == (1, 2, 3)
        np.testing.assert_allclose([own.simple_value for own in scalars], history[name], rtol=1e-6)
    (settings,) = found["settings/text_summary"]
    assert b"| hidden | [4] |" in settings[1].tensor.string_val[0]


def test_codes_and_weights_are_histograms_and_weights_of_images_an_image(x, tmp_path, monkeypatch):
    written(tmp_path / "run", x, monkeypatch, image_shape=(6, 6))
    found = values(tmp_path / "run")
    for layer, size in (("layer_1/code", 20 * 4), ("layer_1/weight", 36 * 4)):
        assert [step for step, _ in found[layer]] == [1, 2, 3]
        assert {own.histo.num for _, own in found[layer]} == {size}
    image = found["weights"][-1][1].image
    assert (image.height, image.width) == (13, 13)


def test_rows_that_are_no_images_have_no_image(x, tmp_path, monkeypatch):
    written(tmp_path / "run", x, monkeypatch)
    assert "weights" not in values(tmp_path / "run")


def test_what_takes_long_waits_until_it_is_a_hundredth_of_the_time(x, tmp_path):
    written(tmp_path / "run", x)
    assert [step for step, _ in values(tmp_path / "run")["layer_1/code"]] == [1]


def test_the_last_that_is_drawn_is_the_model_that_is_kept(x, tmp_path):
    with tensorboard.writing(tmp_path / "run", x[:20], pytest.fail) as observer:
        model = fit(x, Config.parse(SETTINGS), observer=observer).model
        observer.ended(model)
    step, last = values(tmp_path / "run")["layer_1/weight"][-1]
    weight = model.network.views(model.parameters)[0].weight
    assert step == 3
    np.testing.assert_allclose((last.histo.min, last.histo.max), (weight.min(), weight.max()))


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e38])
def test_weights_of_which_no_picture_can_be_made_end_nothing(x, tmp_path, weight):
    with tensorboard.writing(tmp_path / "run", x[:20], pytest.fail) as observer:
        model = fit(x, Config.parse(SETTINGS)).model
        lost = replace(model, parameters=np.full_like(model.parameters, weight))
        observer.epoch_done(EpochRecord(1, 0.5, 0.5, 0.1, 1.0))
        observer.between_steps(lambda: lost)
        observer.epoch_done(EpochRecord(2, 0.4, 0.5, 0.1, 1.0))
    assert [step for step, _ in values(tmp_path / "run")["loss"]] == [1, 2]


def test_a_full_disk_ends_the_file_and_not_the_run(x, tmp_path, monkeypatch):
    def full(writer, event):
        raise OSError(28, "No space left on device")

    told = []
    with tensorboard.writing(tmp_path / "run", x[:20], told.append) as observer:
        monkeypatch.setattr("tensorboardX.event_file_writer.EventsWriter.write_event", full)
        fitted = fit(x, Config.parse(SETTINGS), observer=observer)
    assert len(fitted.model.history["epoch"]) == 3
    (message,) = told
    assert message.endswith("TensorBoard's file ends here (No space left on device)")


def test_a_folder_with_files_is_not_mixed_with_other_runs(tmp_path):
    (tmp_path / "events").write_text("")
    with pytest.raises(OutputError, match="holds files already"):
        tensorboard.check_folder(tmp_path, force=False)
    tensorboard.check_folder(tmp_path, force=True)
    tensorboard.check_folder(tmp_path / "new", force=False)


def test_what_is_no_folder_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(OutputError, match="is no folder"):
        tensorboard.check_folder(path, force=True)


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(OutputError, match=r"pip install 'gpuae\[tensorboard\]'"):
        tensorboard.check_folder(tmp_path, force=False)
