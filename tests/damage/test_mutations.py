"""Damaged files of every kind are read or refused: no crash, no hang, no traceback."""

from __future__ import annotations

import hashlib

import asking
import kinds
import pytest
import ways

SHORT, LONG = 10, 200
EVERY = {**kinds.GROUPS, **kinds.LAYOUTS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a whole file of every kind."""
    folder = tmp_path_factory.mktemp("whole")
    kinds.write_all(folder)
    kinds.write_layouts(folder)
    return folder


@pytest.fixture(scope="module")
def reader(whole):
    started = asking.Reader(kinds.GROUPS["model.h5"], whole / "model.h5")
    yield started
    started.end()


@pytest.fixture
def survive(whole, reader, tmp_path):
    """A function that has damaged copies of a file read."""

    def check(name, damage):
        path = whole / name
        found = reader.count(EVERY[name], path, damage(path.read_bytes()), tmp_path)
        print(f"{name}: {dict(found)}")
        assert set(found) <= set(asking.GOOD), f"{found}; the files are in {tmp_path}"
        return found

    return check


def seed_of(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


@pytest.mark.parametrize("name", kinds.GROUPS)
def test_a_whole_file_is_read(whole, reader, name):
    assert reader.ask(kinds.GROUPS[name], whole / name) == "read"


@pytest.mark.parametrize("name", kinds.GROUPS)
def test_some_changed_bytes(survive, name):
    survive(name, lambda content: ways.mutations(content, SHORT, seed_of(name)))


@pytest.mark.long
@pytest.mark.parametrize("name", EVERY)
def test_many_changed_bytes(survive, name):
    found = survive(name, lambda content: ways.mutations(content, LONG, 1 + seed_of(name)))
    assert found["refused"]


@pytest.mark.parametrize("name", kinds.GROUPS)
def test_some_lengths(survive, name):
    survive(name, lambda content: ways.cuts(content, SHORT))


@pytest.mark.long
@pytest.mark.parametrize("name", EVERY)
def test_many_lengths(survive, name):
    survive(name, lambda content: ways.cuts(content, LONG))
