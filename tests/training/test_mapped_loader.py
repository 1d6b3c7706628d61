import numpy as np
import pytest

from gpuae.config import Config
from gpuae.training import mapped_loader
from gpuae.training.batches import epoch_order
from gpuae.training.fitting import fit
from gpuae.training.mapped_loader import MappedLoader


@pytest.fixture
def mapped(tmp_path):
    """Return rows as a memory map of a file."""

    def make(shape, dtype="float32"):
        values = (200 * np.random.default_rng(0).random(shape)).astype(dtype)
        np.save(tmp_path / "rows.npy", values)
        return np.load(tmp_path / "rows.npy", mmap_mode="r")

    return make


class Reads:
    """A program that notes which rows it finds where the next ones should be."""

    def __init__(self, loader, rows):
        self.loader, self.rows, self.position, self.found = loader, rows, 0, []

    def replay(self, times):
        for _ in range(times):
            places = self.loader.places[self.position : self.position + self.rows]
            self.found.append(self.loader.source[places].copy())
            self.position += self.rows


@pytest.mark.parametrize("shuffle", ["none", "full", "block"])
@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("rows_in_order", [1, 640, 1000])
def test_every_step_finds_its_rows(mapped, monkeypatch, shuffle, batch, rows_in_order):
    x = mapped((1200, 3))
    monkeypatch.setattr(mapped_loader, "WINDOW_ROWS", 100)
    rows = np.sort(np.random.default_rng(1).permutation(1200)[:rows_in_order])
    with MappedLoader(x, batch, 1 << 20) as loader:
        for epoch in range(2):
            order = epoch_order(rows, 3, epoch, shuffle)
            loader.start(order)
            reads = Reads(loader, batch)
            steps = len(order) // batch
            for times in (1, 2, 5, steps):
                fitting = min(times, steps - len(reads.found))
                loader.replay(reads, batch, fitting)
            np.testing.assert_array_equal(
                np.concatenate([np.empty((0, 3), np.float32), *reads.found]),
                x[order[: steps * batch]],
            )


def test_an_epoch_can_be_begun_within(mapped, monkeypatch):
    x = mapped((1200, 3))
    monkeypatch.setattr(mapped_loader, "WINDOW_ROWS", 100)
    order = epoch_order(np.arange(1200), 0, 0, "block")
    with MappedLoader(x, 8, 1 << 20) as loader:
        loader.start(order, 328)
        reads = Reads(loader, 8)
        reads.position = 328
        loader.replay(reads, 8, 20)
        np.testing.assert_array_equal(np.concatenate(reads.found), x[order[328:488]])


def test_rows_that_cannot_be_read_end_training(mapped):
    x = mapped((300, 3))
    with MappedLoader(x, 8, 1 << 20) as loader:
        loader.start(np.array([5, 400]))
        with pytest.raises((IndexError, ValueError)):
            loader.replay(Reads(loader, 2), 2, 1)


SETTINGS = [
    {"shuffle": "block", "scale": "unit"},
    {"shuffle": "full", "whiten": "pca", "scale": "standard"},
    {"shuffle": "none", "sparsity": "kl", "noise": "gaussian", "noise_level": 0.1},
    {"optimizer": "lbfgs", "sparsity": "kl", "tile_rows": 16},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_model_does_not_depend_on_the_memory_for_data(
    device, mapped, monkeypatch, dtype, settings
):
    x = mapped((700, 9), dtype)
    monkeypatch.setattr(mapped_loader, "WINDOW_ROWS", 128)
    monkeypatch.setattr("gpuae.training.thread_team.STRETCH_BYTES", 500)
    monkeypatch.setattr("gpuae.training.lanes.KEPT_BYTES", 0)
    usual = {"hidden": (5, 2), "epochs": 2, "device": device}
    if settings.get("optimizer") != "lbfgs":
        usual["batch_size"] = 48
    small, large = (
        fit(x, Config.parse(usual | settings | {"memory": memory})).model
        for memory in ("1KB", "1GB")
    )
    np.testing.assert_array_equal(small.parameters, large.parameters)
    np.testing.assert_array_equal(small.history["loss"], large.history["loss"])
    np.testing.assert_array_equal(small.history["val_loss"], large.history["val_loss"])
