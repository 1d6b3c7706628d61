"""What --trust-size lifts, and what it does not."""

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset


@pytest.fixture
def small_limits(monkeypatch):
    """Limits that a small file exceeds."""
    small = limits.Limits(inflation=2, free_bytes=100, chunk_bytes=1000, text_bytes=100)
    monkeypatch.setattr(limits, "_stack", [small])


def packed(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((100, 8)), compression="gzip", chunks=(10, 8))


def large_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((100, 8)), chunks=(100, 8))


def long_text(path):
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "gpuae", "format_version": "1.0", "kind": "dataset"})
        file["data/x"] = np.ones((20, 2))
        file["data/y"] = [f"label {index}" for index in range(20)]


@pytest.mark.parametrize(
    ("fill", "inner", "message"),
    [
        (packed, "x", "over 2 times less; give --trust-size"),
        (large_chunks, "x", "chunks larger than .* --trust-size"),
        (long_text, None, "of text; shorten it, or give --trust-size"),
    ],
)
def test_a_limit_holds_until_it_is_lifted(tmp_path, small_limits, fill, inner, message):
    fill(tmp_path / "a.h5")
    with pytest.raises(InputError, match=message):
        open_dataset(InputFile(tmp_path / "a.h5"), inner)
    with limits.trust_size():
        assert len(open_dataset(InputFile(tmp_path / "a.h5"), inner).x) in (20, 100)
    with pytest.raises(InputError, match=message):
        open_dataset(InputFile(tmp_path / "a.h5"), inner)


def test_memory_is_no_limit_that_trust_lifts(tmp_path, monkeypatch):
    large_chunks(tmp_path / "a.h5")
    monkeypatch.setattr(limits, "physical_memory", lambda: 100)
    with limits.trust_size(), pytest.raises(InputError, match="more than this machine's memory"):
        open_dataset(InputFile(tmp_path / "a.h5"), "x")


@pytest.mark.parametrize("link", ["soft", "external", "storage", "virtual"])
def test_what_reaches_beyond_the_file_is_refused_however_trusted(tmp_path, link):
    secret, given = tmp_path / "secret.h5", tmp_path / "given.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.full((4, 4), 42.0)
    with h5py.File(given, "w") as file:
        if link == "soft":
            file["real"] = np.ones((2, 2))
            file["x"] = h5py.SoftLink("/real")
        elif link == "external":
            file["x"] = h5py.ExternalLink(str(secret), "/x")
        elif link == "storage":
            file.create_dataset("x", (2, 2), "f8", external=[(str(secret), 0, 32)])
        else:
            layout = h5py.VirtualLayout((4, 4), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "x", (4, 4))
            file.create_virtual_dataset("x", layout)
    with limits.trust_size(), pytest.raises(InputError, match=r"link|other files"):
        open_dataset(InputFile(given), "x")
