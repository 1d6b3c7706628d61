import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile, check_readable, sha256
from gpuae.storage.hdf5 import opening, reading
from gpuae.storage.kinds.dataset_file import open_dataset


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.full((4, 4), 42.0)
    return path


@pytest.fixture
def build(tmp_path):
    def built(fill):
        path = tmp_path / "given.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return built


def refused(path, inner="x", match=""):
    with pytest.raises(InputError, match=match) as caught:
        open_dataset(InputFile(path), inner)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_external_links_are_not_followed(build, victim):
    def fill(file):
        file["x"] = h5py.ExternalLink(str(victim), "/x")

    refused(build(fill), match="soft or external link")


def test_soft_links_are_not_followed_at_any_component(build):
    def fill(file):
        file["real/x"] = np.ones((2, 2))
        file["alias"] = h5py.SoftLink("/real")

    path = build(fill)
    refused(path, "alias/x", match="::/alias: is a soft or external link")
    assert open_dataset(InputFile(path), "real/x").x.shape == (2, 2)


def test_a_second_hard_link_is_as_good_as_the_first(build):
    def fill(file):
        file["a"] = np.ones((2, 3))
        file["b"] = file["a"]

    assert open_dataset(InputFile(build(fill)), "b").x.shape == (2, 3)


def test_external_storage_is_not_read(build, victim):
    def fill(file):
        file.create_dataset("x", (2, 2), "f8", external=[(str(victim), 0, 32)])

    refused(build(fill), match="other files")


def test_virtual_datasets_are_not_read(build, victim):
    def fill(file):
        layout = h5py.VirtualLayout((4, 4), "f8")
        layout[:] = h5py.VirtualSource(str(victim), "x", (4, 4))
        file.create_virtual_dataset("x", layout)

    refused(build(fill), match="other files")


@pytest.mark.parametrize("chunks", [None, (1 << 10, 1 << 10)])
def test_petabytes_that_were_declared_and_never_written_are_refused(build, chunks):
    def fill(file):
        file.create_dataset("x", (1 << 25, 1 << 25), "f4", chunks=chunks)

    refused(build(fill), match="never written")


def test_a_file_that_inflates_over_a_thousandfold_is_refused(build):
    def fill(file):
        file.create_dataset("x", (1 << 15, 1 << 13), "u1", compression="gzip", chunks=(4096, 8192))
        file["x"][:4096] = np.zeros((4096, 8192), "u1")

    refused(build(fill), match="over 1000 times less")


def test_highly_compressible_data_of_ordinary_size_are_read(build):
    def fill(file):
        file.create_dataset("x", data=np.zeros((2000, 1000), "u1"), compression="gzip")

    assert not open_dataset(InputFile(build(fill)), "x").x.any()


def test_huge_chunks_are_refused(build):
    def fill(file):
        file.create_dataset("x", (1, 1 << 21), "u1", chunks=(1024, 1 << 21), maxshape=(None, None))
        # a chunk of 2 GiB that is stored as a few bytes: nothing is allocated for writing it
        file["x"].id.write_direct_chunk((0, 0), b"\0" * 16)

    refused(build(fill), match="chunks larger than 1024 MiB")


def test_filters_that_would_load_a_plugin_are_refused(build):
    def fill(file):
        file.create_dataset("x", data=np.ones((8, 8), "i4"), chunks=(4, 4), scaleoffset=0)

    refused(build(fill), match="filter other than")


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "shuffle": True},
        {"compression": "lzf"},
        {"fletcher32": True},
        {"chunks": (2, 2)},
    ],
)
def test_the_usual_filters_are_read(build, options):
    rows = np.arange(12.0).reshape(4, 3)

    path = build(lambda file: file.create_dataset("x", data=rows, **options))
    np.testing.assert_array_equal(open_dataset(InputFile(path), "x").x, rows)


def test_more_than_the_memory_of_the_machine_is_not_read_into_it(build, monkeypatch):
    path = build(lambda file: file.create_dataset("x", data=np.ones((64, 64)), chunks=(8, 8)))
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    refused(path, match="more than this machine's memory")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a", "b"], "holds text"),
        (np.zeros((2, 2), "c8"), "holds complex"),
        (np.zeros((2, 2), [("a", "f4")]), "holds records"),
        (np.zeros(5), "has 1 dimension where"),
        (3.0, "has 0 dimensions where"),
        (np.zeros((0, 5)), "is empty"),
        (h5py.Empty("f4"), "holds nothing"),
    ],
)
def test_a_dataset_without_rows_of_numbers_is_refused(build, value, message):
    def fill(file):
        file["x"] = value

    refused(build(fill), match=message)


@pytest.mark.parametrize("inner", ["data/z", "/data/x/deeper", "nothing", "data", "/"])
def test_a_wrong_path_is_answered_with_the_paths_that_there_are(build, inner):
    def fill(file):
        file["data/x"] = np.ones((5, 3), "f4")
        file["data/y"] = np.ones(5)
        file["cycle/back"] = file["/"]

    with pytest.raises(InputError, match=r"::/data/x \(5, 3\) float32$"):
        open_dataset(InputFile(build(fill)), inner)


def test_names_that_are_not_utf8_are_left_out_of_the_list(build):
    def fill(file):
        file["x"] = np.ones((2, 2))
        file.id.link(b"x", b"\xff\xfe", h5py.h5g.LINK_HARD)
        file.attrs[b"\xff\xfe"] = 1

    with pytest.raises(InputError, match=r"::/x \(2, 2\) float64$"):
        open_dataset(InputFile(build(fill)))


def test_a_long_list_of_paths_is_cut(build):
    def fill(file):
        for index in range(30):
            file[f"{index:02}"] = np.ones((2, 2))

    with pytest.raises(InputError, match=r"::/19 \(2, 2\) float64, and more$"):
        open_dataset(InputFile(build(fill)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.h5", None, "no such file"),
        ("empty.h5", b"", "is empty"),
        ("text.h5", b"rows and columns", "is not an HDF5 file"),
        ("head.h5", b"\x89HDF\r\n\x1a\n", "damaged or cut short"),
        ("nul\0.h5", None, "cannot be opened"),
    ],
)
def test_what_is_no_hdf5_file_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    refused(path, match=message)


def test_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path, match="is a folder")
    refused(tmp_path / "pipe", match="is not a plain file")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(InputError, match=r"a\.h5: permission to read it is denied"):
        check_readable(tmp_path / "a.h5")


def test_a_file_that_another_program_is_writing_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    code = "import h5py, sys; f = h5py.File(sys.argv[1], 'w'); f['x'] = [[1]]; print(input())"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writer = subprocess.Popen([sys.executable, "-c", code, path], **pipes)
    while not path.exists() or not path.stat().st_size:
        assert writer.poll() is None
        time.sleep(0.01)
    refused(path, match="another program is writing to it")
    writer.communicate(b"done\n")
    assert open_dataset(InputFile(path), "x").x.shape == (1, 1)


def test_a_damaged_heap_of_strings_that_hdf5_would_read_for_ever_is_refused(build, monkeypatch):
    def fill(file):
        file.attrs["text"] = "words"
        file["x"] = np.ones((2, 2))

    path = build(fill)
    content = bytearray(path.read_bytes())
    first_object = content.index(b"GCOL") + 16
    assert content[first_object : first_object + 16] == b"\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0"
    content[first_object + 8] = 128
    path.write_bytes(content)
    impatient = replace(limits.CAREFUL, process_seconds=0.3)
    monkeypatch.setattr(limits, "_stack", [impatient])
    assert open_dataset(InputFile(path), "x").x.shape == (2, 2)
    with (
        opening.opened(InputFile(path)) as file,
        pytest.raises(InputError, match="is damaged so that HDF5"),
    ):
        reading.root_attributes(file)


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
    with pytest.raises(InputError, match="no such file"):
        sha256(tmp_path / "b")


@pytest.mark.parametrize("swmr", [True, False])
def test_a_file_that_is_marked_as_open_for_writing_is_not_called_damaged(tmp_path, swmr):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["x"] = np.ones((2, 2))
        if swmr:
            file.swmr_mode = True
        file.flush()
        shutil.copy(tmp_path / "a.h5", tmp_path / "killed.h5")
    with (
        pytest.raises(InputError, match=r"is marked as open for writing; .* h5clear -s .*killed"),
        opening.opened(InputFile(tmp_path / "killed.h5")),
    ):
        pass


def test_attributes_that_hold_nothing_are_as_good_as_none(tmp_path):
    with h5py.File(tmp_path / "pytables.h5", "w") as file:
        file.attrs["TITLE"], file.attrs["CLASS"] = h5py.Empty("S1"), np.bytes_("GROUP")
    with opening.opened(InputFile(tmp_path / "pytables.h5")) as file:
        assert reading.root_attributes(file) == {"CLASS": "GROUP"}


def test_attributes_with_more_text_than_anybody_needs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_ATTRIBUTE_TEXT", 1000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({f"a{number}": "x" * 400 for number in range(3)})
    with (
        opening.opened(InputFile(tmp_path / "a.h5")) as file,
        pytest.raises(InputError, match="attributes hold over 0 MiB of text"),
    ):
        reading.root_attributes(file)


def test_what_hdf5_needs_is_loaded_before_a_process_may_open_nothing_more(run_python, build):
    def fill(file):
        file["x"] = np.ones((2, 2))
        file["words"] = ["a", "ö"]
        file["cells"] = np.array([b"a", b"b"])
        values = (1, 1.5, True, "text", b"text", np.array([b"a"]), np.float16(1), 1j)
        file.attrs.update({f"a{number}": value for number, value in enumerate(values)})
        file.attrs["of any"] = np.array(["a", "b"], h5py.string_dtype("ascii"))

    run_python(
        "from pathlib import Path\n"
        "from gpuae.storage.files.input_file import InputFile\n"
        "from gpuae.storage.hdf5 import opening, reading, walk\n"
        f"with opening.opened(InputFile(Path({str(build(fill))!r}))) as file:\n"
        "    names = walk.attribute_names(file.root)\n"
        "    assert all(file.root.attribute(name).values is not None for name in names)\n"
        "    assert reading.optional_array(file, 'words').tolist() == ['a', 'ö']\n"
        "    assert reading.optional_array(file, 'cells').tolist() == ['a', 'b']\n"
    )


def test_texts_that_all_point_to_a_long_one_are_read_a_few_at_a_time_and_refused(
    build, monkeypatch
):
    def fill(file):
        file.attrs.update({"format": "gpuae", "format_version": "1.0", "kind": "dataset"})
        file["data/x"] = np.ones((3000, 2))
        names = file.create_dataset("data/row_id", (3000,), h5py.string_dtype())
        names[0] = "x" * 100_000

    path = build(fill)
    with h5py.File(path) as file:
        place = file["data/row_id"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 16 * 3000] = content[place : place + 16] * 3000
    path.write_bytes(content)
    monkeypatch.setattr(limits, "_stack", [replace(limits.CAREFUL, process_bytes=100 << 20)])
    with pytest.raises(InputError, match="of text; shorten it, or give --trust-size"):
        open_dataset(InputFile(path))


def test_whoever_writes_to_a_file_whose_rows_are_read_by_blocks_need_not_wait(build):
    path = build(lambda file: file.create_dataset("x", data=np.ones((9, 3)), chunks=(2, 3)))
    x = open_dataset(InputFile(path), "x", memory=1).x
    assert (x[0:2] == 1).all()
    with h5py.File(path, "r+") as file:
        file["x"][0] = 2
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match="has changed while it was read"):
        x[0:2]


@pytest.mark.parametrize("shape", [(0, 2**62), (2**62, 0)])
def test_no_values_in_more_columns_than_memory_could_hold_are_refused(build, shape):
    growing = {"chunks": (1, 1), "maxshape": (None, None)}
    path = build(lambda file: file.create_dataset("x", shape, "u1", **growing))
    with (
        opening.opened(InputFile(path)) as file,
        pytest.raises(InputError, match="which no memory could hold"),
    ):
        reading.dataset_at(file, "x")
