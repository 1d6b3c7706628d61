"""Files with a great many names in them are looked at in part, or refused; nothing hangs."""

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, listing, opening, reading, walk
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.provenance.lineage import made_by
from gpuae.storage.provenance.summary import summarise

MANY = 30


@pytest.fixture
def few(monkeypatch):
    """Lets a few count as many."""
    monkeypatch.setattr(guard, "MOST_NAMES", 20)
    monkeypatch.setattr(reading, "MOST_ATTRIBUTES", 20)
    monkeypatch.setattr(listing, "MOST_OBJECTS", 20)


@pytest.fixture
def file(tmp_path, few):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for number in range(MANY):
            file[f"own/{number:03}"] = number
            file.attrs[f"own {number}"] = "text"
        file["x"] = np.ones((4, 3), "f4")
    return path


def test_what_is_chosen_can_be_read(file):
    assert open_dataset(InputFile(file), "/x").x.shape == (4, 3)
    assert made_by(InputFile(file)) is None


def test_what_is_shown_is_said_not_to_be_all(file):
    summary = summarise(InputFile(file))
    assert summary.cut
    assert 0 < len(summary.datasets) <= 20
    assert summary.attributes == {}


def test_a_list_for_choosing_from_ends(file):
    with pytest.raises(InputError, match="not a gpuae data set; give FILE::/PATH"):
        open_dataset(InputFile(file))


def test_what_was_not_looked_at_is_not_said_to_be_absent(file):
    few = "no numeric dataset of rows and columns was found among the first 20 groups and datasets"
    with pytest.raises(InputError, match=few):
        open_dataset(InputFile(file))


def test_what_has_to_be_walked_as_a_whole_is_refused(file):
    with opening.opened(InputFile(file)) as opened:
        with pytest.raises(InputError, match=r"/own: has 30 names"):
            guard.names_in(opened.find("own"))
        with pytest.raises(InputError, match="30 names in it, more than any file of gpuae's"):
            walk.objects(opened)
