"""Several files are one matrix, whatever names them and whatever they are."""

import os
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, ReadOptions, files_of, globs, joined, open_data
from gpuae.storage.files import open_files
from gpuae.storage.rows.concatenated import ConcatenatedRows
from gpuae.storage.rows.lazy_rows import LazyRows

ROWS = np.random.default_rng(0).random((33, 4)).astype(np.float32)
ENDS = (0, 10, 11, 33)
"""Where the rows of one file end and those of the next begin."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the rows in three files, whose names count to ten."""
    monkeypatch.chdir(tmp_path)
    Path("shards").mkdir()
    for number, start, stop in zip((2, 9, 10), ENDS, ENDS[1:], strict=False):
        np.save(f"shards/s{number}.npy", ROWS[start:stop])
    return tmp_path


ALL = joined(["shards/s2.npy", "shards/s9.npy", "shards/s10.npy"])
NAMED = {"a pattern": "shards/*.npy", "names": ALL, "a folder": "shards", "patterns": "sh*/s?*.npy"}


@pytest.mark.parametrize("spec", NAMED.values(), ids=NAMED)
def test_files_are_joined_in_the_order_of_their_numbers(folder, spec):
    dataset = open_data(spec)
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.notes == (
        "3 files are taken as one matrix, in this order: s2.npy, s9.npy, s10.npy",
    )


def test_names_are_taken_in_the_order_in_which_they_are_given(folder):
    dataset = open_data(joined(["shards/s10.npy", "shards/s2.npy"]))
    np.testing.assert_array_equal(dataset.x, np.concatenate([ROWS[11:], ROWS[:10]]))


def test_a_pattern_may_name_files_in_folders_of_folders_but_no_hidden_ones(folder):
    Path("shards/deep/er").mkdir(parents=True)
    Path("shards/s10.npy").rename("shards/deep/er/s10.npy")
    np.save("shards/.s11.npy", ROWS)
    assert [path.name for path in files_of("shards/**/*.npy")] == ["s10.npy", "s2.npy", "s9.npy"]
    np.testing.assert_array_equal(open_data("shards/*").x, ROWS[:11])


def test_a_file_with_the_name_of_a_pattern_comes_first(folder):
    np.save("s[1].npy", ROWS)
    np.testing.assert_array_equal(open_data("s[1].npy").x, ROWS)


def test_rows_beyond_the_memory_stay_in_their_files(folder):
    x = open_data("shards/*.npy", memory=100).x
    assert isinstance(x, ConcatenatedRows)
    assert isinstance(x, LazyRows)
    for rows in (slice(0, 33), slice(9, 12), slice(10, 11), slice(20, 20), slice(30, 99)):
        np.testing.assert_array_equal(x[rows], ROWS[rows])


def test_a_part_in_a_file_of_another_format_is_chosen_in_each(folder):
    for name in ("a", "b"):
        np.savez(f"{name}.npz", one=ROWS, two=ROWS + 1)
    dataset = open_data("?.npz::two")
    np.testing.assert_array_equal(dataset.x, np.concatenate([ROWS + 1, ROWS + 1]))
    assert dataset.source == "?.npz::two"


def test_types_are_widened_to_one_that_holds_all(folder):
    np.save("shards/s11.npy", np.array([[1, 2, 3, 255]], np.uint8))
    x = open_data("shards").x
    assert x.dtype == np.float32
    assert x[-1].tolist() == [1, 2, 3, 255]


def test_integers_that_the_type_of_others_would_round_are_refused(folder):
    np.save("shards/s11.npy", np.full((1, 4), 2**53 + 1))
    with pytest.raises(InputError, match=r"s11\.npy: holds integers that float64 would round"):
        open_data("shards")


TABLES = {
    "a.csv": "x,y2,label\n0.1,2,cat\n0.3,4,dog\n",
    "b.csv": "label,y2,x,more\ncat,2460000.6,8.1,0\n",
}


def written(tables):
    for name, text in tables.items():
        Path(name).write_text(text)


def test_columns_of_tables_are_found_by_name_and_labels_joined(folder):
    written(TABLES)
    dataset = open_data("*.csv")
    assert dataset.feature_names == ("x", "y2")
    assert dataset.x.tolist() == [[0.1, 2], [0.3, 4], [8.1, 2460000.6]]
    assert dataset.y.tolist() == ["cat", "dog", "cat"]
    told = "of 4 columns the 2 columns of a.csv are taken by name"
    assert told in dataset.notes
    assert dataset.notes.count("the column 'label' is taken as the labels y, not as a feature") == 1


def test_tables_in_parts_have_the_numbers_of_the_whole(folder):
    """0.1 is no float32 any more where another file needs float64."""
    written({"a.csv": "x,y2\n0.1,2\n", "b.csv": "x,y2\n8.1,2460000.6\n"})
    written({"whole.tsv": "x,y2\n0.1,2\n8.1,2460000.6\n".replace(",", "\t")})
    np.testing.assert_array_equal(open_data("*.csv").x, open_data("whole.tsv").x)


def test_columns_that_a_person_chooses_are_chosen_in_the_first_file(folder):
    written(TABLES)
    assert open_data("*.csv", options=ReadOptions(columns="2")).x.tolist() == [
        [2],
        [4],
        [2460000.6],
    ]


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow"])
def test_categories_are_those_of_all_files(folder, name):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv, feather, parquet

    tables = {"a": {"x": [1.5, 2.5], "k": ["p", "q"]}, "b": {"k": ["r", "p"], "x": [3.5, 4.5]}}
    for stem, columns in tables.items():
        csv.write_csv(pa.table(columns), f"{stem}.csv")
        parquet.write_table(pa.table(columns), f"{stem}.parquet")
        feather.write_feather(pa.table(columns), f"{stem}.arrow")
    dataset = open_data(f"*.{name}", options=ReadOptions(categorical="k"))
    assert dataset.feature_names == ("x", "k=p", "k=q", "k=r")
    assert dataset.categorical[0].values == ("p", "q", "r")
    expected = [[1.5, 1, 0, 0], [2.5, 0, 1, 0], [3.5, 0, 0, 1], [4.5, 1, 0, 0]]
    assert dataset.x.tolist() == expected


def test_labels_that_not_all_files_have_are_left_out_and_that_is_told(folder):
    written({**TABLES, "b.csv": "x,y2\n8,9\n"})
    dataset = open_data("*.csv")
    assert dataset.y is None
    assert dataset.notes[-1] == "the labels are left out, for b.csv has none"


def test_numbers_and_texts_as_labels_become_texts(folder):
    written({"a.csv": "x,label\n1.5,7\n", "b.csv": "x,label\n2.5,seven\n"})
    assert open_data("*.csv").y.tolist() == ["7", "seven"]


def test_weights_in_a_column_are_those_of_all_rows(folder):
    written({"a.csv": "x,w\n1.5,1\n2.5,0\n", "b.csv": "w,x\n2,3.5\n"})
    dataset = open_data("*.csv", options=ReadOptions(weight_column="w"))
    assert dataset.weights.tolist() == [1, 0, 2]
    assert dataset.x.tolist() == [[1.5], [2.5], [3.5]]


def test_row_ids_and_the_shape_of_images_are_kept(folder):
    written({"a.csv": "row_id,x\np,1.5\n", "b.csv": "row_id,x\nq,2.5\n"})
    assert open_data("*.csv").row_id.tolist() == ["p", "q"]
    for name, height in (("a", 2), ("b", 2), ("c", 3)):
        np.save(f"{name}.npy", np.zeros((2, height, 12 // height)))
    assert open_data("[ab].npy").image_shape == (2, 6)
    assert open_data("[abc].npy").image_shape is None


def test_labels_in_a_file_of_their_own_are_those_of_all_rows(folder):
    np.save("labels.npy", np.arange(33))
    dataset = open_data("shards", LabelsFile(Path("labels.npy")))
    assert dataset.y.tolist() == list(range(33))


REFUSED = {
    "no match": ("none/*.npy", r"none/\*\.npy: no file has such a name; check the pattern"),
    "folders": ("shard?", r"shard\?: names folders only; give the files in them: 'shard\?/\*'"),
    "an empty folder": ("empty", "empty: is a folder without files"),
    "several kinds": (".", r"is a folder without images .* by a pattern in quotes: '\./\*\.csv'"),
    "another width": ("[rs]*/*.npy", r"shards/s2\.npy: has 4 columns and rest/a\.npy has 3"),
    "other names": ("[ac].csv", r"c\.csv: lacks 1 column of a\.csv, the first is 'x'"),
    "no names": (joined(["a.csv", "rest/b.npy"]), r"the columns of rest/b\.npy have no names"),
    "twice": (joined(["shards/s2.npy", "./shards/s2.npy"]), r"s2\.npy: is named twice"),
    "one missing": (joined(["shards/s2.npy", "no.npy"]), r"no\.npy: there is no such file"),
    "one empty": ("rest/*", r"rest/z\.npy: is empty"),
    "one of rubbish": ("[ab]*/*.npy", r"bad/b\.npy: cannot be read"),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_joined_is_refused_by_the_first_name(folder, spec, message):
    for name in ("empty", "rest", "bad"):
        Path(name).mkdir()
    np.save("rest/a.npy", ROWS[:, :3])
    np.save("rest/b.npy", ROWS[:, :2])
    Path("rest/z.npy").touch()
    Path("bad/b.npy").write_text("words")
    written({**TABLES, "c.csv": "y2,z\n1,2\n"})
    if spec.startswith("[rs]"):
        Path("rest/b.npy").unlink()
        Path("rest/z.npy").unlink()
    with pytest.raises(InputError, match=message) as caught:
        open_data(spec)
    assert "\n" not in str(caught.value)


def test_more_files_than_a_shell_allows_to_be_open(folder, run_python):
    """The limit is raised as far as the system lets a user raise it."""
    pytest.importorskip("resource")
    for number in range(80):
        np.save(f"shards/t{number}.npy", ROWS)
    run_python(
        "import resource\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "from gpuae.importers import open_data\n"
        f"assert open_data({str(folder)!r} + '/shards/t*.npy', memory=1).x.shape == (2640, 4)\n"
    )


def test_a_limit_that_is_high_enough_stays(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("was changed"))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 2000))
    open_files.allow(1000 - open_files.SPARE)


def test_natural_order_counts_numbers_wherever_they_are():
    names = ["b", "a10", "a9", "a9b2", "a9b10", "a1/z", "a", "10", "9", "a09"]
    ordered = [str(path) for path in globs.in_natural_order(map(Path, names))]
    assert ordered == ["9", "10", "a", "a1/z", "a09", "a9", "a9b2", "a9b10", "a10", "b"]


def test_what_changes_among_several_files_is_told(folder):
    file = open_data("shards").file
    assert file.changed is None
    assert file.size == sum(path.stat().st_size for path in Path("shards").iterdir())
    os.truncate("shards/s9.npy", 100)
    assert file.changed == Path("shards/s9.npy")
