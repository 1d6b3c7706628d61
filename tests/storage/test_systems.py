"""What only some systems have is done without on others, one call at a time."""

import os
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from gpuae.errors import OutputError
from gpuae.storage.files import locks, system
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.locked_file import held
from gpuae.storage.files.output_file import OutputFile, partial_name
from gpuae.storage.hdf5 import opening
from gpuae.storage.hdf5.unlimited import UnlimitedReader

EVERYTHING = (slice(0, 4), slice(0, 3))
"""Of the rows of the file."""


@pytest.fixture
def without_places(monkeypatch):
    """A system on which files are read and written at their own position alone."""
    for name in ("pread", "preadv", "pwrite", "posix_fallocate"):
        monkeypatch.delattr(os, name)


@pytest.fixture
def of_windows(monkeypatch):
    """What Windows locks with; `calls` are the places that were locked."""
    calls = []

    def locking(descriptor, how, size):
        calls.append((os.lseek(descriptor, 0, os.SEEK_CUR), how, size))

    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking, calls=calls))
    return locks.msvcrt


@pytest.fixture
def file(tmp_path):
    """An HDF5 file with rows and a text."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as new:
        new["rows"] = np.arange(12.0).reshape(4, 3)
        new.attrs["says"] = "a text"
    return path


@pytest.mark.usefixtures("without_places")
def test_without_reading_at_places_a_file_is_read_as_it_is(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    source = InputFile(tmp_path / "a")
    assert (source.read(4, 3), source.read(8, 9), source.stream().read()) == (
        b"456",
        b"89",
        b"0123456789",
    )


@pytest.mark.usefixtures("without_places")
def test_without_writing_at_places_an_output_is_written_as_it_is(tmp_path):
    with OutputFile(tmp_path / "a", force=False) as output:
        output.reserve(10)
        output.write(memoryview(b"56789"), 5)
        output.write(memoryview(b"01234"), 0)
        assert output.read(3, 4) == b"3456"
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("force", [False, True])
def test_where_open_files_stay_an_output_is_closed_before_it_takes_its_name(
    tmp_path, monkeypatch, force
):
    monkeypatch.setattr(system, "REPLACES_OPEN", False)
    closed = []
    really = os.close
    monkeypatch.setattr(os, "close", lambda number: (closed.append(number), really(number)))
    name = "replace" if force else "link"
    rename = getattr(os, name)
    monkeypatch.setattr(os, name, lambda *paths: (closed.append(name), rename(*paths)))
    with OutputFile(tmp_path / "a", force=force) as output:
        output.write(memoryview(b"all"), 0)
        closed.clear()
        number = output._descriptor
    assert closed.index(number) < closed.index(name)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("stays", [True, False])
def test_what_was_begun_is_removed_in_either_order(tmp_path, monkeypatch, stays):
    monkeypatch.setattr(system, "REPLACES_OPEN", not stays)
    with pytest.raises(KeyboardInterrupt), OutputFile(tmp_path / "a", force=False):
        raise KeyboardInterrupt
    with held(tmp_path / "a"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_that_somebody_has_open_is_replaced_when_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "REPLACES_OPEN", False)
    (tmp_path / "a").write_text("new")
    refused = []
    really = type(tmp_path).replace

    def replace(name, target):
        if len(refused) < 2:
            refused.append(name)
            raise PermissionError(13, "Permission denied")
        return really(name, target)

    monkeypatch.setattr(type(tmp_path), "replace", replace)
    system.replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "new"


def test_a_file_that_may_not_be_replaced_is_refused_at_once_where_open_ones_can_be(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "replace", refuse)
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(PermissionError):
        system.replace(tmp_path / "a", tmp_path / "b")


def test_folders_that_cannot_be_opened_are_not_written_through(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    system.sync_folder(tmp_path)


def test_windows_locks_one_byte_far_behind_the_beginning(tmp_path, of_windows):
    with OutputFile(tmp_path / "a", force=False) as output:
        output.write(memoryview(b"all"), 0)
    assert of_windows.calls == [(locks.LOCKED_AT, 2, 1)]
    assert (tmp_path / "a").read_bytes() == b"all"


def test_a_lock_of_windows_that_another_holds_is_said(tmp_path, of_windows):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    of_windows.locking = denied
    with pytest.raises(OutputError, match="another process is writing it"):
        OutputFile(tmp_path / "a", force=False).__enter__()


def test_without_any_locks_files_are_read_and_written(file, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with OutputFile(file, force=True) as output:
        assert partial_name(file).exists()
        output.write(memoryview(file.read_bytes()), 0)
    with opening.opened(InputFile(file)) as again:
        assert again.find("rows").values(EVERYTHING).shape == (4, 3)


def test_where_no_process_can_be_limited_the_program_itself_reads(file, monkeypatch):
    def start(*_):
        pytest.fail("a process was started")

    with opening.opened(InputFile(file)) as by_process:
        expected = by_process.find("rows").values(EVERYTHING)
    monkeypatch.setattr(opening, "LIMITS", False)
    monkeypatch.setattr(opening, "ReadingProcess", start)
    with opening.opened(InputFile(file)) as here:
        np.testing.assert_array_equal(here.find("rows").values(EVERYTHING), expected)


def test_what_it_says_there_is_what_a_process_would_say(file):
    reader = UnlimitedReader(InputFile(file))
    said, raw = reader.ask(["attribute", "/", "says"])
    assert not isinstance(said, tuple)
    assert b"a text" in bytes(raw)
    failed, _ = reader.ask(["child", "/nowhere/at/all"])
    assert failed["failed"] == "reading"


def test_bytes_are_put_into_a_buffer_that_fits(file):
    reader = UnlimitedReader(InputFile(file))
    _, raw = reader.ask(["attribute", "/", "says"])
    buffer = bytearray(len(raw))
    _, into = reader.ask(["attribute", "/", "says"], memoryview(buffer))
    assert buffer == raw
    assert isinstance(into, memoryview)
    _, other = reader.ask(["attribute", "/", "says"], memoryview(bytearray(1)))
    assert other == raw
