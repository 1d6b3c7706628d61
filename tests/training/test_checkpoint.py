import os
import shutil
import signal

import h5py
import numpy as np
import pytest
from h5py import h5o
from pairwise import pairwise

from gpuae.config import Config
from gpuae.errors import ConfigError, InputError, OutputError
from gpuae.storage import file_format
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.checkpoint_file import read_checkpoint
from gpuae.storage.provenance import lineage
from gpuae.storage.provenance.lineage import SourceFile
from gpuae.training import checkpoint
from gpuae.training.checkpoint import Checkpoints, Interval
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.progress_chunks import ProgressChunks
from gpuae.training.trainer import Ending

KINDS = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1},
    "plateau": {"schedule": "plateau", "learning_rate": 0.5, "patience": 0},
    "cosine": {"schedule": "cosine"},
    "folds": {"validation": None, "folds": 2, "init": "glorot"},
    "kl": {"sparsity": "kl", "noise": "masking", "noise_level": 0.3, "dropout": 0.2},
    "l1": {"sparsity": "l1", "activation": "relu", "weight_decay": 1e-3, "dtype": "float64"},
    "tied": {"decoder": "tied", "shuffle": "block", "validation": 0},
    "lbfgs": {"optimizer": "lbfgs", "sparsity": "kl", "weight_decay": 1e-3},
}


@pytest.fixture
def x():
    return np.random.default_rng(0).random((150, 12)).astype(np.float32)


def config_of(device="cpu", **settings):
    usual = {"hidden": (5, 3), "epochs": 4, "device": device, "seed": 3}
    usual |= {"validation": 0.1, "patience": 10}
    if settings.get("optimizer") != "lbfgs":
        usual["batch_size"] = 16
    return Config.parse(usual | settings)


def assert_same(one, other):
    np.testing.assert_array_equal(one.parameters, other.parameters)
    assert one.attributes == other.attributes
    assert one.history.keys() == other.history.keys()
    for name in one.history.keys() - {"seconds"}:
        np.testing.assert_array_equal(one.history[name], other.history[name], err_msg=name)


class StopsAfter(Silence):
    """Asks training to stop, as Ctrl-C does, when it has heard of rows so many times."""

    def __init__(self, times):
        self.times = times

    def rows_done(self, epoch, rows):
        self.times -= 1
        if self.times == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def short_portions(monkeypatch):
    monkeypatch.setattr(
        ProgressChunks, "of", lambda _, stretches: ([own] for steps in stretches for own in steps)
    )


@pairwise(
    device=["numpy", "cpu", "cuda"], kind=list(KINDS), times=[1, 4, 9, 13], indirect=["device"]
)
def test_a_run_that_was_stopped_anywhere_ends_in_the_same_bits(
    device, x, tmp_path, kind, times, short_portions
):
    config = config_of(device, **KINDS[kind])
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    whole = fit(x, config)
    stopped = fit(x, config, checkpoints=plan, observer=StopsAfter(times))
    if times > config.epochs and kind == "lbfgs":
        assert stopped.result.ending is Ending.FINISHED
    else:
        assert stopped.interrupted
    again = fit(x, config, checkpoints=plan)
    assert_same(again.model, whole.model)
    assert again.result.ending is whole.result.ending


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_may_go_on_with_other_threads(x, tmp_path, threads, short_portions):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    settings = {"sparsity": "kl", "tile_rows": 4}
    whole = fit(x, config_of(threads=1, **settings))
    fit(x, config_of(threads=threads, **settings), checkpoints=plan, observer=StopsAfter(12))
    assert_same(fit(x, config_of(threads=2, **settings), checkpoints=plan).model, whole.model)


def test_rows_of_a_file_go_on_from_where_an_epoch_stood(x, tmp_path, monkeypatch, short_portions):
    monkeypatch.setattr("gpuae.training.mapped_loader.WINDOW_ROWS", 32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    settings = {"shuffle": "full", "validation": 0}
    config = config_of(memory="1KB", **settings)
    assert fit(mapped, config, checkpoints=plan, observer=StopsAfter(6)).interrupted
    again = fit(mapped, config, checkpoints=plan)
    whole = fit(x, config_of(**settings))
    np.testing.assert_array_equal(again.model.parameters, whole.model.parameters)


def test_a_run_that_stopped_early_does_not_go_on(x, tmp_path):
    config = config_of(epochs=40, patience=1, learning_rate=0.5)
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    first = fit(x, config, checkpoints=plan)
    assert first.result.ending is Ending.EARLY
    again = fit(x, config, checkpoints=plan)
    assert again.result.ending is Ending.EARLY
    assert_same(again.model, first.model)


def test_a_finished_run_can_be_trained_for_more_epochs(x, tmp_path):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    constant = {"schedule": "constant", "patience": 0}
    fit(x, config_of(epochs=3, **constant), checkpoints=plan)
    more = fit(x, config_of(epochs=6, **constant), checkpoints=plan)
    assert_same(more.model, fit(x, config_of(epochs=6, **constant)).model)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"learning_rate": 0.01}, r"has learning_rate=0\.002 and this one has 0\.01"),
        ({"hidden": (4, 3)}, "hidden"),
        ({"device": "numpy"}, r"its device \(cpu\) is not numpy"),
        ({"schedule": "cosine"}, "schedule"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(x, tmp_path, settings, says):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of(), checkpoints=plan)
    before = plan.path.read_bytes()
    with pytest.raises(InputError, match=rf"run\.h5: is of another run: .*{says}"):
        fit(x, config_of(**settings), checkpoints=plan)
    assert plan.path.read_bytes() == before


def test_the_checkpoint_of_other_data_is_refused(x, tmp_path):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of(), checkpoints=plan, attributes={"source_sha256": "a" * 64})
    with pytest.raises(InputError, match="its data"):
        fit(x, config_of(), checkpoints=plan, attributes={"source_sha256": "b" * 64})
    with pytest.raises(InputError, match="its data gave another"):
        fit(2 * x, config_of(), checkpoints=plan, attributes={"source_sha256": "a" * 64})


def test_other_validation_data_and_other_columns_are_another_run(x, tmp_path):
    def made(digit, **options):
        source = SourceFile(role="validation_data", name="held.h5", sha256=digit * 64)
        return lineage.attributes("fit", [source], options)

    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of(), checkpoints=plan, attributes=made("a"))
    for other in (made("b"), made("a", columns="1-12")):
        with pytest.raises(InputError, match="validation data or first weights were others"):
            fit(x, config_of(), checkpoints=plan, attributes=other)
    names = tuple("abcdefghijkl")
    with pytest.raises(InputError, match="were others"):
        fit(x, config_of(), checkpoints=plan, attributes=made("a"), feature_names=names)


@pytest.mark.parametrize("schedule", ["cosine", "warmup_cosine"])
def test_more_epochs_of_a_cosine_are_another_run(x, tmp_path, schedule):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of(schedule=schedule), checkpoints=plan)
    with pytest.raises(InputError, match="epochs=4 and this one has 5"):
        fit(x, config_of(schedule=schedule, epochs=5), checkpoints=plan)


def test_fewer_epochs_than_are_done_cannot_be_gone_on_to(x, tmp_path):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    constant = {"schedule": "constant", "validation": 0, "patience": 0}
    fit(x, config_of(epochs=4, **constant), checkpoints=plan)
    content = plan.path.read_bytes()
    with pytest.raises(ConfigError, match=r"run\.h5 has 4 epochs done and epochs=3 .* give 4 or"):
        fit(x, config_of(epochs=3, **constant), checkpoints=plan)
    assert plan.path.read_bytes() == content
    done = fit(x, config_of(epochs=4, **constant), checkpoints=plan)
    assert len(done.result.history.records) == 4


def test_a_checkpoint_that_is_there_is_not_overwritten_unasked(x, tmp_path):
    fit(x, config_of(), checkpoints=Checkpoints(tmp_path / "run.h5"))
    with pytest.raises(OutputError, match="exists already"):
        fit(x, config_of(), checkpoints=Checkpoints(tmp_path / "run.h5"))
    fit(x, config_of(epochs=1), checkpoints=Checkpoints(tmp_path / "run.h5", force=True))
    assert read_checkpoint(InputFile(tmp_path / "run.h5"))[0].config.epochs == 1


def test_a_file_that_is_no_checkpoint_is_refused(x, tmp_path):
    fit(x, config_of()).model.save(tmp_path / "model.h5")
    with pytest.raises(InputError, match="is a gpuae model file where a checkpoint is needed"):
        fit(x, config_of(), checkpoints=Checkpoints(tmp_path / "model.h5", resume=True))


def changed(path, name, change):
    """Change an array of a checkpoint as somebody would who can write the hash as well."""
    with h5py.File(path, "r+") as file:
        values = change(file[name][()])
        del file[name], file.attrs[file_format.CONTENT_SHA256]
        if values is not None:
            file[name] = values


@pytest.mark.parametrize("change", [lambda _: None, lambda own: np.zeros((7, *np.shape(own)))])
@pytest.mark.parametrize("optimizer", ["adam", pytest.param("lbfgs", marks=pytest.mark.long)])
def test_a_state_that_does_not_fit_is_refused(x, tmp_path, optimizer, change):
    fit(x, config_of("numpy", optimizer=optimizer), checkpoints=Checkpoints(tmp_path / "run.h5"))
    names = list(read_checkpoint(InputFile(tmp_path / "run.h5"))[1])
    for name in names:
        path = tmp_path / "changed.h5"
        shutil.copy(tmp_path / "run.h5", path)
        changed(path, f"/state/{name}", change)
        with pytest.raises(InputError, match=r"the checkpoint is damaged, its /state/"):
            fit(
                x,
                config_of("numpy", optimizer=optimizer),
                checkpoints=Checkpoints(path, resume=True),
            )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch/counters", np.array([0, 1 << 40, 1, 0])),
        ("epoch/counters", np.array([0, 0, 1, 1 << 40])),
        ("epoch/done", np.array(7)),
        ("epoch/done", np.array(-16)),
        ("kept/epoch", np.array(5)),
        ("kept/parameters", np.full(175, np.nan, np.float32)),
        ("schedule/plateau", np.full(3, np.nan)),
        ("schedule/plateau", np.full(3, 1e308)),
        ("schedule/plateau", np.full(3, -1.0)),
    ],
)
def test_a_state_that_stands_nowhere_is_refused(x, tmp_path, name, value):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of("numpy"), checkpoints=plan)
    changed(plan.path, f"/state/{name}", lambda _: value)
    with pytest.raises(InputError, match="the checkpoint is damaged"):
        fit(x, config_of("numpy"), checkpoints=plan)


def test_a_checkpoint_in_which_a_bit_was_flipped_is_refused(x, tmp_path):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of("numpy"), checkpoints=plan)
    with h5py.File(plan.path, "r+") as file:
        file["/state/optimizer/first"][3] += 1
    with pytest.raises(InputError, match=r"run\.h5: its content is not what was written"):
        fit(x, config_of("numpy"), checkpoints=plan)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("90s", Interval(90)),
        ("5min", Interval(300)),
        ("1.5 h", Interval(5400)),
        ("10epochs", Interval(None, 10)),
        ("1epoch", Interval(None, 1)),
    ],
)
def test_intervals_are_times_or_epochs(text, interval):
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("text", ["", "5", "0min", "1.5epochs", "often", "-1s"])
def test_other_intervals_are_refused(text):
    with pytest.raises(ConfigError, match="checkpoint-every: needs"):
        Interval.parse(text)


def written_after(x, tmp_path, monkeypatch, every, **settings):
    """Return after how many epochs checkpoints were written."""
    epochs = []
    really = checkpoint.write_checkpoint

    def noted(path, contents, state):
        epochs.append(len(contents.history["epoch"]))
        really(path, contents, state)

    monkeypatch.setattr(checkpoint, "write_checkpoint", noted)
    fit(x, config_of(**settings), checkpoints=Checkpoints(tmp_path / "run.h5", every))
    return epochs


def test_a_checkpoint_is_written_at_once_every_few_epochs_and_in_the_end(x, tmp_path, monkeypatch):
    every = Interval(None, 2)
    assert written_after(x, tmp_path, monkeypatch, every, epochs=5) == [0, 2, 4, 5]


def test_within_an_epoch_too_when_it_is_time(x, tmp_path, monkeypatch, short_portions):
    every = Interval(0.0)
    steps = -(-135 // 16)
    epochs = written_after(x, tmp_path, monkeypatch, every, epochs=2)
    assert epochs == [0] * (1 + steps) + [1] * (1 + steps) + [2] * 2


def test_training_goes_on_when_a_later_checkpoint_cannot_be_written(x, tmp_path, monkeypatch):
    really, calls, notes = checkpoint.write_checkpoint, [], []

    def fails_later(path, contents, state):
        calls.append(path)
        if len(calls) > 1:
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        really(path, contents, state)

    class Notes(Silence):
        def note(self, message):
            notes.append(message)

    monkeypatch.setattr(checkpoint, "write_checkpoint", fails_later)
    plan = Checkpoints(tmp_path / "run.h5", Interval(None, 1))
    done = fit(x, config_of(epochs=2), checkpoints=plan, observer=Notes())
    assert done.result.ending is Ending.FINISHED
    assert any("No space left" in note and "still there" in note for note in notes)


def test_a_first_checkpoint_that_cannot_be_written_ends_it_before_training(
    x, tmp_path, monkeypatch
):
    def fails(path, contents, state):
        raise OutputError(f"{path}: cannot be written")

    monkeypatch.setattr(checkpoint, "write_checkpoint", fails)

    class Trains(Silence):
        def rows_done(self, epoch, rows):
            pytest.fail("trained")

    with pytest.raises(OutputError):
        fit(x, config_of(), checkpoints=Checkpoints(tmp_path / "run.h5"), observer=Trains())


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="no such signal")
def test_the_second_signal_does_not_wait(x):
    class Twice(Silence):
        def rows_done(self, epoch, rows):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("went on")

    assert fit(x, config_of(), observer=Twice()).interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_checkpoint_holds_no_times(x, tmp_path):
    path = tmp_path / "run.h5"
    fit(x, config_of("numpy"), checkpoints=Checkpoints(path))
    with h5py.File(path) as file:
        times = {}
        file.visititems(lambda name, item: times.update({name: h5o.get_info(item.id).mtime}))
    assert len(times) > 20
    assert not any(times.values())
