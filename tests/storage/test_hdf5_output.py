import errno
import itertools
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.locked_file import hidden_name
from gpuae.storage.files.output_file import check_distinct, check_output, partial_name
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.outputs.small_output import write_small


def nothing(file):
    pass


def output(path, shape=(4, 3), dtype="f4", build=nothing, *, force=False):
    return RowsOutput(path, "/data/x", shape, dtype, build, force=force)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def fill_small(file):
    file["group/values"] = np.arange(5)
    file.attrs["text"] = "words"


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_small_file_holds_what_was_built(tmp_path):
    write_small(tmp_path / "a.h5", fill_small, force=False)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["group/values"], np.arange(5))
        assert file.attrs["text"] == "words"
    assert names_in(tmp_path) == ["a.h5"]


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_small(tmp_path / name, fill_small, force=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failed_build_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_small(path, lambda _: 1 / 0, force=True)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.h5"]


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", full_disk)
    with pytest.raises(OutputError, match=r"a\.h5: cannot be written \(No space left"):
        write_small(tmp_path / "a.h5", fill_small, force=False)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.h5", r"exists already; .*--force"),
        ("folder", "is a folder"),
        ("none/a.h5", "does not exist"),
        ("there.h5/a.h5", "does not exist"),
    ],
)
def test_an_impossible_output_is_refused_before_any_work(tmp_path, name, message):
    (tmp_path / "there.h5").write_text("old")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(OutputError, match=message):
        check_output(path, force=False)
    with pytest.raises(OutputError, match=message):
        write_small(path, lambda _: pytest.fail("worked"), force=False)
    with pytest.raises(OutputError, match=message), output(path):
        pytest.fail("worked")


def test_force_replaces_a_file_but_neither_a_folder_nor_a_device(tmp_path):
    (tmp_path / "a.h5").write_text("old")
    write_small(tmp_path / "a.h5", fill_small, force=True)
    assert h5py.is_hdf5(tmp_path / "a.h5")
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(OutputError, match=r"is a folder|is not a plain file"):
            check_output(path, force=True)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match=r"no file can be made in .* \(Permission denied\)"):
        check_output(tmp_path / "a.h5", force=False)


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(OutputError, match="too long"):
        check_output(tmp_path / f"{'a' * 300}.h5", force=False)


def test_an_output_that_is_its_own_input_is_refused_also_through_links(tmp_path):
    rows = tmp_path / "rows.h5"
    rows.write_text("rows")
    link = tmp_path / "link.h5"
    link.symlink_to(rows)
    for output in (rows, link):
        with pytest.raises(OutputError, match=r"is the input .*rows.h5 itself"):
            check_distinct(output, None, rows)
    check_distinct(tmp_path / "other.h5", rows)


def test_an_output_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(OutputError, match="exists already"):
        write_small(path, lambda _: path.write_text("another's"), force=False)
    assert path.read_text() == "another's"


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.h5").symlink_to("elsewhere/b.h5")
    write_small(tmp_path / "a.h5", fill_small, force=False)
    assert (tmp_path / "a.h5").is_symlink()
    assert h5py.is_hdf5(tmp_path / "elsewhere/b.h5")


def test_files_have_the_permissions_that_the_user_gives_new_files(tmp_path):
    previous = os.umask(0o027)
    try:
        write_small(tmp_path / "a.h5", fill_small, force=False)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a.h5").stat().st_mode) == 0o640


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_rows_come_back_from_any_blocks_in_any_order(tmp_path_factory, data):
    shape = data.draw(st.sampled_from([(1, 1), (50, 3), (13,), (40, 700)]))
    dtype = data.draw(st.sampled_from(["u1", "i8", "f4", "f8"]))
    rows = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    cuts = sorted(data.draw(st.sets(st.integers(0, shape[0]))) | {0, shape[0]})
    spans = data.draw(st.permutations(list(itertools.pairwise(cuts))))
    path = tmp_path_factory.mktemp("rows") / "a.h5"
    with output(path, shape, dtype) as out:
        for start, stop in spans:
            out.write(start, rows[start:stop])
    with h5py.File(path) as file:
        assert file["data/x"].dtype == rows.dtype
        np.testing.assert_array_equal(file["data/x"], rows)


def test_the_large_dataset_is_contiguous_aligned_and_ends_the_file(tmp_path):
    with output(tmp_path / "a.h5", (1000, 100)) as out:
        out.write(0, np.ones((1000, 100)))
    with h5py.File(tmp_path / "a.h5") as file:
        dataset = file["data/x"]
        assert dataset.chunks is None
        assert dataset.id.get_offset() % 4096 == 0
        end = dataset.id.get_offset() + dataset.nbytes
    assert end <= (tmp_path / "a.h5").stat().st_size < end + 4096


def test_build_can_describe_the_large_dataset_and_write_beside_it(tmp_path):
    def build(file):
        file["data/x"].attrs["image_shape"] = (1, 3)
        file["data/y"] = np.arange(4)

    with output(tmp_path / "a.h5", build=build) as out:
        out.write(0, np.full((4, 3), 2.0))
    with h5py.File(tmp_path / "a.h5") as file:
        assert tuple(file["data/x"].attrs["image_shape"]) == (1, 3)
        np.testing.assert_array_equal(file["data/y"], np.arange(4))
        np.testing.assert_array_equal(file["data/x"], np.full((4, 3), 2))


def test_threads_write_blocks_at_the_same_time(tmp_path):
    rows = np.random.default_rng(0).random((256, 50))
    with output(tmp_path / "a.h5", rows.shape, "f8") as out, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: out.write(start, rows[start : start + 3]), range(0, 256, 3)))
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["data/x"], rows)


def test_the_name_is_taken_only_when_all_rows_are_there(tmp_path):
    path = tmp_path / "a.h5"
    with output(path) as out:
        out.write(0, np.ones((4, 3)))
        assert not path.exists()
    assert names_in(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interruption_leaves_nothing_behind(tmp_path, problem):
    def interrupted():
        with output(tmp_path / "a.h5") as out:
            out.write(0, np.ones((2, 3)))
            raise problem

    with pytest.raises(problem):
        interrupted()
    assert names_in(tmp_path) == []


def test_a_full_disk_is_found_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", full_disk)
    with (
        pytest.raises(OutputError, match=r"a\.h5: .*No space left.* needs 1 MiB"),
        output(tmp_path / "a.h5", (1 << 17, 2)),
    ):
        pytest.fail("worked")
    assert names_in(tmp_path) == []


def test_hdf5_never_writes_beyond_the_space_that_was_reserved(tmp_path, monkeypatch):
    reserved = []
    real = os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda fd, at, size: (reserved.append(size), real(fd, at, size))
    )

    def build(file):
        file["data/y"] = np.arange(20000)

    with output(tmp_path / "a.h5", (1000, 10), build=build) as out:
        out.write(0, np.zeros((1000, 10)))
    assert (tmp_path / "a.h5").stat().st_size <= reserved[0]


def test_unwritten_rows_are_a_defect_and_leave_no_file(tmp_path):
    def incomplete():
        with output(tmp_path / "a.h5") as out:
            out.write(2, np.ones((2, 3)))
            out.write(0, np.ones((1, 3)))

    with pytest.raises(RuntimeError, match=r"row 1 of .* was never written"):
        incomplete()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("start", "shape"), [(0, (2, 2)), (3, (2, 3)), (-1, (1, 3)), (0, (3,))])
def test_rows_that_do_not_fit_are_a_defect(tmp_path, start, shape):
    with pytest.raises(RuntimeError, match="do not fit"), output(tmp_path / "a.h5") as out:
        out.write(start, np.ones(shape))


def test_entering_twice_is_a_defect(tmp_path):
    out = output(tmp_path / "a.h5")
    with out:
        out.write(0, np.ones((4, 3)))
        with pytest.raises(RuntimeError, match="entered once"):
            out.__enter__()
    with pytest.raises(RuntimeError, match="entered once"), out:
        pass


def test_equal_rows_give_equal_bytes_in_whatever_order_they_came(tmp_path):
    rows = np.random.default_rng(0).random((10, 3))
    for name, order in (("a.h5", (0, 5)), ("b.h5", (5, 0))):
        with output(tmp_path / name, (10, 3)) as out:
            for start in order:
                out.write(start, rows[start : start + 5])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_name_taken_in_the_last_moment_is_not_overwritten(tmp_path, monkeypatch):
    """Even between the last look at the name and the moment the file would take it."""
    path = tmp_path / "a.h5"
    link = os.link

    def taken(*names):
        path.write_text("another's")
        return link(*names)

    monkeypatch.setattr(os, "link", taken)
    with pytest.raises(OutputError, match="exists already"):
        write_small(path, fill_small, force=False)
    assert path.read_text() == "another's"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


def test_a_note_of_progress_that_has_no_room_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("gpuae.storage.outputs.hdf5_output.SYNC_SECONDS", 0.0)
    monkeypatch.setattr("gpuae.storage.files.progress.json.dump", full_disk)
    path = tmp_path / "a.h5"
    with RowsOutput(path, "/data/x", (4, 3), "f4", nothing, force=False, resume=False) as out:
        out.write(0, np.ones((4, 3), np.float32))
    with h5py.File(path) as file:
        assert (file["/data/x"][:] == 1).all()
    assert names_in(tmp_path) == ["a.h5"]


def test_ctrl_c_on_a_failing_disk_leaves_no_lock(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    out = RowsOutput(path, "/data/x", (4, 3), "f4", nothing, force=False, resume=False)
    with suppress(KeyboardInterrupt), out:
        monkeypatch.setattr("gpuae.storage.files.output_file.os.fsync", full_disk)
        raise KeyboardInterrupt
    monkeypatch.undo()
    write_small(path, fill_small, force=False)
    assert names_in(tmp_path) == ["a.h5"]


@pytest.mark.parametrize(
    ("error", "kept"), [(KeyboardInterrupt, True), (OSError, True), (InputError, False)]
)
def test_what_may_be_gone_on_with_is_kept_unless_the_rows_are_at_fault(tmp_path, error, kept):
    path = tmp_path / "a.h5"
    rows = np.arange(12, dtype="f4").reshape(4, 3)

    def fail(out):
        out.write(0, rows[:2])
        raise error

    with pytest.raises(error), resumable(path, resume=False) as out:
        fail(out)
    assert bool(names_in(tmp_path)) is kept
    with resumable(path, resume=True) as out:
        assert out.start == (2 if kept else 0)
        out.write(out.start, rows[out.start :])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["data/x"], rows)
    assert names_in(tmp_path) == ["a.h5"]


def resumable(path, *, resume):
    return RowsOutput(path, "/data/x", (4, 3), "f4", nothing, force=False, resume=resume)


@pytest.fixture
def interrupted(tmp_path):
    """An output of which two rows of four were written, and the name of its journal."""
    path = tmp_path / "a.h5"
    with suppress(KeyboardInterrupt), resumable(path, resume=False) as out:
        out.write(0, np.ones((2, 3)))
        raise KeyboardInterrupt
    return path, hidden_name(path, "progress")


WRONG = {"too many rows": {"rows": 10**9}, "too few": {"rows": -1}, "elsewhere": {"offset": 8}}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_note_of_progress_that_cannot_be_right_is_not_believed(interrupted, wrong):
    path, journal = interrupted
    journal.write_text(json.dumps({**json.loads(journal.read_text()), **wrong}))
    with resumable(path, resume=True) as out:
        assert out.start == 0
        out.write(0, np.ones((4, 3)))
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["data/x"], np.ones((4, 3)))


def test_a_partial_file_is_no_data(interrupted):
    path, _ = interrupted
    for inner in (None, "/data/x"):
        with pytest.raises(InputError, match="is not complete"):
            open_dataset(InputFile(partial_name(path)), inner)
