import os
from contextlib import suppress
from fcntl import LOCK_EX, flock

import pytest

from gpuae.errors import OutputError
from gpuae.storage.files.locked_file import ENDINGS, held, hidden_name
from gpuae.storage.files.output_file import (
    OutputFile,
    ResumableOutput,
    check_distinct,
    check_room,
    partial_name,
)
from gpuae.storage.files.progress import Progress


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, content, *, force=False):
    with OutputFile(path, force) as temporary:
        temporary.write(memoryview(content), 0)


@pytest.mark.parametrize("force", [False, True])
def test_of_two_that_write_the_same_output_the_second_is_refused(tmp_path, force):
    path = tmp_path / "a.h5"
    with OutputFile(path, force) as first:
        first.write(memoryview(b"first"), 0)
        with pytest.raises(OutputError, match=r"a\.h5: another process is writing it"):
            write(path, b"second", force=force)
        assert names_in(tmp_path) == [partial_name(path).name]
    assert path.read_bytes() == b"first"
    assert names_in(tmp_path) == ["a.h5"]


def test_what_a_killed_process_left_is_used_up_by_the_next(tmp_path):
    path = tmp_path / "a.h5"
    partial_name(path).write_bytes(b"much that was never finished")
    write(path, b"all")
    assert path.read_bytes() == b"all"
    assert names_in(tmp_path) == ["a.h5"]


def test_a_link_in_place_of_the_partial_file_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"kept")
    path = tmp_path / "a.h5"
    partial_name(path).symlink_to(precious)
    with pytest.raises(OutputError, match="cannot be written"):
        write(path, b"all")
    assert precious.read_bytes() == b"kept"


def test_a_file_that_was_published_while_we_waited_for_it_is_not_ours(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    opened = []
    really = os.open

    def slowly(name, *how):
        descriptor = really(name, *how)
        if not opened and str(name).endswith(".partial"):
            opened.append(name)
            os.link(name, path)
            name.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", slowly)
    write(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_an_output_whose_writer_was_killed_just_after_it_appeared_is_not_touched(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"complete")
    os.link(path, partial_name(path))
    with suppress(KeyboardInterrupt), OutputFile(path, force=True) as temporary:
        temporary.write(memoryview(b"ha"), 0)
        raise KeyboardInterrupt
    assert path.read_bytes() == b"complete"
    assert names_in(tmp_path) == ["a.h5"]


def test_the_next_writer_keeps_its_file_while_this_one_tidies_up(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    second = OutputFile(path, force=True)
    monkeypatch.setattr("gpuae.storage.files.system.sync_folder", lambda _: second.__enter__())
    write(path, b"first", force=True)
    monkeypatch.undo()
    second.write(memoryview(b"second"), 0)
    second.__exit__(None, None, None)
    assert path.read_bytes() == b"second"
    assert names_in(tmp_path) == ["a.h5"]


def test_long_names_that_begin_alike_have_partial_files_of_their_own(tmp_path):
    one, other = (tmp_path / ("a" * 240 + end) for end in ("1", "2"))
    with OutputFile(one, force=False), OutputFile(other, force=False):
        pass
    assert names_in(tmp_path) == [one.name, other.name]


def test_file_systems_without_locks_are_written_all_the_same(tmp_path, monkeypatch):
    def without(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("gpuae.storage.files.locks.lock", without)
    write(tmp_path / "a.h5", b"all")
    assert (tmp_path / "a.h5").read_bytes() == b"all"


def test_a_file_that_is_kept_can_be_gone_on_with(tmp_path):
    path = tmp_path / "a.h5"
    temporary = ResumableOutput(path, force=False, going_on=False)
    temporary.keep = True
    with suppress(KeyboardInterrupt), temporary:
        temporary.write(memoryview(b"half"), 0)
        raise KeyboardInterrupt
    assert names_in(tmp_path) == [partial_name(path).name]
    with ResumableOutput(path, force=False, going_on=True) as temporary:
        temporary.write(memoryview(b" and half"), 4)
    assert path.read_bytes() == b"half and half"


def test_the_lock_is_one_that_other_programs_see(tmp_path):
    path = tmp_path / "a.h5"
    with partial_name(path).open("wb") as other:
        flock(other, LOCK_EX)
        with pytest.raises(OutputError, match="another process"):
            write(path, b"all")


def test_a_disk_that_is_too_small_is_said_before_any_work(tmp_path):
    check_room(tmp_path / "a.h5", 1000)
    with pytest.raises(OutputError, match=r"a\.h5: needs 1099511627776 MiB and .* MiB left"):
        check_room(tmp_path / "a.h5", 1 << 60)


def test_an_input_may_not_have_a_hidden_name_of_the_output(tmp_path):
    path = tmp_path / "a.h5"
    for ending in ENDINGS:
        own = hidden_name(path, ending)
        own.write_bytes(b"an input")
        with pytest.raises(OutputError, match="under the name of the input"):
            check_distinct(path, None, own)
    check_distinct(path, tmp_path / "other.h5")


def test_a_file_that_another_user_has_put_there_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    partial_name(path).write_bytes(b"of another user")
    theirs = partial_name(path).open("rb")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    write(path, b"ours")
    assert path.read_bytes() == b"ours"
    assert theirs.read() == b"of another user"
    theirs.close()


def test_a_file_that_is_replaced_while_it_is_written_does_not_appear(tmp_path):
    path = tmp_path / "a.h5"
    temporary = OutputFile(path, False).__enter__()
    partial_name(path).unlink()
    partial_name(path).write_bytes(b"of another user")
    with pytest.raises(OutputError, match="was removed or replaced"):
        temporary.__exit__(None, None, None)
    assert not path.exists()
    assert partial_name(path).read_bytes() == b"of another user"


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"private")
    path.chmod(0o600)
    with OutputFile(path, force=True):
        assert partial_name(path).stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_is_not_written_through_a_link(tmp_path):
    (tmp_path / "precious").write_bytes(b"kept")
    (tmp_path / "j.new").symlink_to(tmp_path / "precious")
    Progress("x", 0, 1).write(tmp_path / "j")
    assert (tmp_path / "precious").read_bytes() == b"kept"
    assert Progress.read(tmp_path / "j") == Progress("x", 0, 1)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rows": 1e400, "identity": "", "offset": 0}', "[" * 3000, " " * 5000, "9"]
)
def test_a_journal_that_says_nothing(tmp_path, text):
    (tmp_path / "j").write_text(text)
    assert Progress.read(tmp_path / "j") is None


def test_of_two_that_hold_a_name_the_second_is_refused(tmp_path):
    path = tmp_path / "run.h5"
    with held(path):
        write(path, b"written while it is held")
        with pytest.raises(OutputError, match=r"run\.h5: another process"), held(path):
            pass
    with held(path):
        pass
    assert names_in(tmp_path) == ["run.h5"]
