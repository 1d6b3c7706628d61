"""A file that is read is opened once: its content, its hash, whether it has changed."""

import hashlib
import io
import os
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files import input_file
from gpuae.storage.files.input_file import InputFile, check_unchanged

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return tmp_path / "a.bin"


def test_the_content_comes_from_one_descriptor(path):
    file = InputFile(path)
    path.unlink()
    assert (file.size, file.head) == (len(CONTENT), CONTENT[:4096])
    assert file.read(250, 10) == CONTENT[250:260]
    assert file.read(len(CONTENT) - 3, 10) == CONTENT[-3:]
    assert file.stream().read() == CONTENT
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_streams_have_positions_of_their_own(path):
    file = InputFile(path)
    one, other = file.stream(), file.stream()
    one.seek(-5, io.SEEK_END)
    assert (other.read(4), one.read(), one.tell()) == (CONTENT[:4], CONTENT[-5:], len(CONTENT))
    with pytest.raises(ValueError, match="before the beginning"):
        one.seek(-1)


def test_libraries_read_through_it(path, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(5))
    with zipfile.ZipFile(InputFile(tmp_path / "a.npz").stream()) as archive:
        assert archive.namelist() == ["x.npy"]
    mapped = np.memmap(InputFile(path).stream(), np.uint8, "r")
    assert bytes(mapped) == CONTENT


def test_the_hash_is_known_once_all_blocks_have_been_read(path, monkeypatch):
    monkeypatch.setattr(input_file, "BLOCK_BYTES", 1000)
    file = InputFile(path)
    assert b"".join(file.blocks()) == CONTENT
    monkeypatch.setattr(file, "read", None)
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_what_is_made_of_a_file_is_made_once(path):
    file, made = InputFile(path), []

    def size(own):
        made.append(own)
        return own.size

    assert [file.once(size), file.once(size)] == [len(CONTENT)] * 2
    assert len(made) == 1


def test_the_descriptor_is_closed_with_the_file(path):
    file = InputFile(path)
    descriptor = file.descriptor
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("way", ["written", "replaced", "removed"])
def test_a_file_that_has_changed_is_refused(path, tmp_path, way):
    file, other = InputFile(path), tmp_path / "b.bin"
    check_unchanged(None, file)
    if way == "written":
        path.write_bytes(CONTENT + b"!")
    elif way == "replaced":
        other.write_bytes(CONTENT)
        other.replace(path)
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"a\.bin: has changed while it was read"):
        check_unchanged(None, file)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (os.mkfifo, "is not a plain file"),
    ],
)
def test_what_is_no_file_with_content_is_refused(tmp_path, make, said):
    make(tmp_path / "x")
    before = _open_descriptors()
    with pytest.raises(InputError, match=said):
        InputFile(tmp_path / "x")
    assert _open_descriptors() == before


def test_too_many_open_files_are_said_to_be_so(path):
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, allowed[1]))
    try:
        with pytest.raises(InputError, match="close other files, or allow more by ulimit -n"):
            InputFile(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, allowed)


def _open_descriptors():
    """Return how many there are, where the system tells."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
