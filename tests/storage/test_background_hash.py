"""A file is hashed while it is used, and a new file gets the hash in the end."""

import hashlib
import threading
from contextlib import suppress

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.background_hash import BackgroundHash
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.locked_file import hidden_name
from gpuae.storage.files.output_file import partial_name
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.outputs.late_hashes import LateAttributes

CONTENT = bytes(range(256)) * 3000
HASH = hashlib.sha256(CONTENT).hexdigest()
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


class Slow(InputFile):
    """A file that is not read before it is allowed to be."""

    def __init__(self, path):
        super().__init__(path)
        self.allowed = threading.Event()

    def read(self, start, size):
        assert self.allowed.wait(10)
        return super().read(start, size)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source.bin").write_bytes(CONTENT)
    return tmp_path / "source.bin"


@pytest.fixture
def slow(source):
    file = Slow(source)
    yield file
    file.allowed.set()


def output(path, own, *, resume=None):
    """An output whose only attribute is the hash of a source."""
    late = LateAttributes({"source": own}) if isinstance(own, str) else own

    def build(file):
        file.attrs["source"] = late.values["source"]

    options = {"force": False, "resume": resume, "late": late.hashes}
    return RowsOutput(path, "/data/x", ROWS.shape, "f4", build, **options)


def late(file):
    own = BackgroundHash(file)
    return LateAttributes({"source": own.placeholder}, (own,))


def test_it_is_the_hash_of_the_whole_file(source):
    assert BackgroundHash(InputFile(source)).result() == HASH


def test_nobody_waits_before_it_is_asked_for(slow):
    found = BackgroundHash(slow)
    assert not found.known
    slow.allowed.set()
    assert found.result() == HASH
    assert found.known


def test_it_is_found_where_no_thread_can_be_started(source, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert BackgroundHash(InputFile(source)).result() == HASH


def test_a_file_that_changes_meanwhile_is_refused(slow, source):
    found = BackgroundHash(slow)
    source.write_bytes(CONTENT + b"more")
    slow.allowed.set()
    with pytest.raises(InputError, match=r"source\.bin: has changed while it was read"):
        found.result()


def test_a_file_that_cannot_be_read_is_said(source, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    file = InputFile(source)
    monkeypatch.setattr("gpuae.storage.files.input_file.os.pread", fail)
    with pytest.raises(InputError, match=r"source\.bin: cannot be read \(Input/output error\)"):
        BackgroundHash(file).result()


@pytest.mark.parametrize("resume", [None, False, True])
def test_a_hash_that_comes_late_makes_the_same_bytes(tmp_path, source, resume):
    for name, own in (("known.h5", HASH), ("late.h5", late(InputFile(source)))):
        with output(tmp_path / name, own, resume=resume) as out:
            out.write(0, ROWS)
    assert (tmp_path / "late.h5").read_bytes() == (tmp_path / "known.h5").read_bytes()
    with h5py.File(tmp_path / "late.h5") as file:
        assert file.attrs["source"] == HASH


def test_rows_are_written_before_the_hash_is_known(tmp_path, slow):
    with output(tmp_path / "a.h5", late(slow)) as out:
        out.write(0, ROWS)
        assert not slow.allowed.is_set()
        slow.allowed.set()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["source"] == HASH


def test_an_output_of_data_that_have_changed_does_not_appear(tmp_path, slow, source):
    path = tmp_path / "a.h5"
    with pytest.raises(InputError, match="has changed"), output(path, late(slow)) as out:  # noqa: PT012
        out.write(0, ROWS)
        source.write_bytes(CONTENT + b"more")
        slow.allowed.set()
    assert [path.name for path in tmp_path.iterdir()] == ["source.bin"]


def test_a_placeholder_that_is_gone_is_a_defect(tmp_path, slow):
    path = tmp_path / "a.h5"
    with pytest.raises(RuntimeError, match="changed at byte"), output(path, late(slow)) as out:  # noqa: PT012
        out.write(0, ROWS)
        with partial_name(path).open("r+b") as file:
            file.write(bytes(4096))
        slow.allowed.set()
    assert not path.exists()


def interrupt(path, own):
    with suppress(KeyboardInterrupt), output(path, own, resume=False) as out:
        out.write(0, ROWS[:2])
        raise KeyboardInterrupt


def test_what_is_interrupted_before_the_hash_is_known_begins_anew(tmp_path, slow):
    path = tmp_path / "a.h5"
    interrupt(path, late(slow))
    assert [own.name for own in tmp_path.iterdir()] == ["source.bin"]
    slow.allowed.set()
    with output(path, late(slow), resume=True) as out:
        assert out.start == 0
        out.write(0, ROWS)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["data/x"], ROWS)


def test_an_output_of_large_data_can_be_gone_on_with_from_the_beginning(
    tmp_path, source, monkeypatch
):
    monkeypatch.setattr("gpuae.storage.outputs.hdf5_output.LARGE_BYTES", len(CONTENT) - 1)
    path = tmp_path / "a.h5"
    interrupt(path, late(InputFile(source)))
    with output(path, late(InputFile(source)), resume=True) as out:
        assert out.start == 2
        out.write(2, ROWS[2:])


def test_what_is_interrupted_later_goes_on_to_the_same_bytes(tmp_path, source):
    path = tmp_path / "a.h5"
    own = late(InputFile(source))
    own.hashes[0].result()
    interrupt(path, own)
    with output(path, late(InputFile(source)), resume=True) as out:
        assert out.start == 2
        out.write(2, ROWS[2:])
    with output(tmp_path / "whole.h5", HASH) as out:
        out.write(0, ROWS)
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_what_is_interrupted_does_not_go_on_with_other_data(tmp_path, source):
    path = tmp_path / "a.h5"
    own = late(InputFile(source))
    own.hashes[0].result()
    interrupt(path, own)
    source.write_bytes(CONTENT[::-1])
    with pytest.raises(OutputError, match="another model, other data"):
        output(path, late(InputFile(source)), resume=True).__enter__()
    assert partial_name(path).exists()
    assert hidden_name(path, "progress").exists()
