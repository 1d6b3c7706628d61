"""Tables with categories and times, from a csv to a model and back, by the commands."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from gpuae.model.model import Model

FIT = ("--hidden", 3, "--epochs", 2, "--patience", 0, "--validation", 0.2)
FORMS, HUES = ["ball", "cube", "ring"], ["red", "green, dark", "blue"]


def lines(count, seed=0):
    """Yield rows whose hue and mass follow from their form."""
    random = np.random.default_rng(seed)
    for row in range(count):
        form = int(random.integers(3))
        hue = form if random.random() < 0.9 else int(random.integers(3))
        mass, size = random.normal([2.0 * form, -form], 0.2).round(3)
        yield [mass, FORMS[form], size, HUES[hue], f"2026-01-{1 + row % 28:02}"]


@pytest.fixture
def mixed(tmp_path):
    with (tmp_path / "mixed.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["mass", "form", "size", "hue", "when"], *lines(60)])
    return tmp_path / "mixed.csv"


@pytest.fixture
def known(gpuae, mixed):
    made = gpuae("fit", mixed, "-o", "m.h5", "--categorical", "form,hue", "--times", "when", *FIT)
    assert made.code == 0, made.err
    return made


def read(path):
    with Path(path).open(newline="") as file:
        return list(csv.reader(file))


def test_fit_says_what_it_makes_of_the_categories(known):
    assert "of the numbers of 12 unseen rows" in known.out
    assert "of the categories right (PCA" in known.out


def test_the_model_keeps_the_categories(gpuae, known, tmp_path):
    with h5py.File(tmp_path / "m.h5") as file:
        group = file["model/categorical"]
        assert [own.decode() for own in group["names"]] == ["form", "hue"]
        assert [own.decode() for own in group["1"]] == sorted(HUES)
    again = Model.load(tmp_path / "m.h5")
    assert again.network.categories == (3, 3)
    assert gpuae("verify", "m.h5").code == 0


def test_rebuilt_tables_name_the_likeliest_category(gpuae, mixed, known):
    assert gpuae("reconstruct", "m.h5", mixed, "-o", "r.csv").code == 0
    assert gpuae("encode", "m.h5", mixed, "-o", "c.h5").code == 0
    assert gpuae("decode", "m.h5", "c.h5", "-o", "d.parquet").code == 0
    head, *rows = read("r.csv")
    assert head == ["mass", "size", "when", "form", "hue"]
    assert {row[3] for row in rows} <= set(FORMS)
    decoded = pq.read_table("d.parquet")
    assert decoded.column_names == head
    assert decoded["hue"].to_pylist() == [row[4] for row in rows]


def test_columns_are_found_by_name_in_any_order(gpuae, mixed, known, tmp_path):
    head, *rows = read(mixed)
    order = [4, 3, 1, 0, 2]
    with (tmp_path / "other.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[row[n] for n in order] for row in (head, *rows)])
    for name in (mixed, "other.csv"):
        assert gpuae("encode", "m.h5", name, "-o", f"{name}.codes.csv").code == 0
    assert read(f"{mixed}.codes.csv") == read("other.csv.codes.csv")


def test_a_converted_table_trains_the_same_model_and_is_written_as_it_was(gpuae, mixed, known):
    options = ("--categorical", "form,hue", "--times", "when")
    assert gpuae("convert", mixed, "d.h5", *options).code == 0
    assert gpuae("fit", "d.h5", "-o", "again.h5", *FIT).code == 0
    one, other = (Model.load(path) for path in (mixed.parent / "m.h5", mixed.parent / "again.h5"))
    assert other.categorical == one.categorical
    assert other.parameters.tolist() == one.parameters.tolist()
    assert gpuae("convert", "d.h5", "back.csv").code == 0
    assert [row[3:] for row in read("back.csv")[1:]] == [[row[1], row[3]] for row in lines(60)]
    assert [float(row[0]) for row in read("back.csv")[1:]] == [row[0] for row in lines(60)]


def test_a_new_category_is_refused_or_counts_as_none(gpuae, known, tmp_path):
    (tmp_path / "new.csv").write_text("mass,form,size,hue,when\n1,egg,2,red,2026-01-01\n")
    refused = gpuae("score", "m.h5", "new.csv", "-o", "s.csv")
    assert refused.code == 2
    assert "row 1, column 'form' holds 'egg', which is none of the categories" in refused.err
    assert not (tmp_path / "s.csv").exists()
    assert gpuae("score", "m.h5", "new.csv", "-o", "s.csv", "--unknown", "ignore").code == 0


def test_evaluate_measures_numbers_and_categories_apart(gpuae, mixed, known):
    figures = json.loads(gpuae("evaluate", "m.h5", mixed, "--json").out)
    own = figures["categories"]
    assert (own["columns"], own["cells"]) == (2, 120)
    assert own["majority"] <= own["accuracy"] <= 1
    assert 0 < own["cross_entropy"] < own["entropy"] * 1.5
    assert "categories named right" in gpuae("evaluate", "m.h5", mixed).out


def test_contributions_name_the_column_not_its_members(gpuae, mixed, known):
    assert gpuae("score", "m.h5", mixed, "-o", "s.csv", "--contributions", 5).code == 0
    row = read("s.csv")[1]
    assert sorted(row[2::2]) == ["form", "hue", "mass", "size", "when"]
    assert sum(map(float, row[3::2])) == pytest.approx(1, abs=1e-5)
    assert gpuae("score", "m.h5", mixed, "-o", "s.h5", "--contributions").code == 0
    with h5py.File("s.h5") as file:
        assert file["scores/contributions"].shape == (60, 5)


def test_validation_data_have_the_categories_of_the_data(gpuae, mixed, tmp_path):
    own = ("fit", mixed, "-o", "v.h5", "--categorical", "form", "--columns", "mass,size")
    epochs = ("--hidden", 2, "--epochs", 1)
    made = gpuae(*own, "--validation-data", mixed, *epochs)
    assert made.code == 0, made.err
    (tmp_path / "new.csv").write_text("mass,form,size\n1,egg,2\n")
    refused = gpuae(*own, "--force", "--validation-data", "new.csv", *epochs)
    assert (refused.code, "holds 'egg'" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--loss", "cosine"), "loss: cosine compares whole rows"),
        (("--whiten", "zca"), "whiten: zca mixes all columns"),
        (("--scale", "sigma"), "scale: sigma cuts all columns off"),
        (("--pretrain", 2), "pretrain: trains layers alone"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(gpuae, mixed, options, message):
    columns = ("--columns", "mass,size", "--categorical", "form")
    refused = gpuae("fit", mixed, "-o", "m.h5", *columns, *FIT, *options)
    assert refused.code == 2
    assert message in refused.err
    assert not (mixed.parent / "m.h5").exists()


@pytest.mark.long
def test_a_report_has_the_categories(gpuae, mixed, known):
    made = gpuae("report", "m.h5", mixed, "-o", "page.html")
    assert made.code == 0, made.err
    assert "Categories in 2 columns" in Path("page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"1": None}, "/model/categorical/1: is missing"),
        ({"1": [b"a", b"a", b"b"]}, "column 'hue' has a category twice"),
        (
            {"1": [b"a", b"b"] + [b"%d" % n for n in range(9)]},
            "take 14 columns and the rows have 9",
        ),
        ({"names": [b"form", b"form"]}, "two columns of categories have the same name"),
        ({"names": [1, 2]}, "/model/categorical/names: holds no list of text"),
    ],
)
def test_a_damaged_model_is_refused(gpuae, mixed, known, broken, message):
    with h5py.File("m.h5", "r+") as file:
        group = file["model/categorical"]
        for name, values in broken.items():
            del group[name]
            if values is not None:
                group[name] = np.array(values)
    refused = gpuae("encode", "m.h5", mixed, "-o", "c.csv")
    assert refused.code == 2
    assert message in refused.err


def test_training_goes_on_from_a_model_of_the_same_categories_only(gpuae, mixed, known):
    own = ("fit", mixed, "-o", "n.h5", "--times", "when", "--init-from", "m.h5", "--epochs", 1)
    made = gpuae(*own, "--categorical", "form,hue")
    assert made.code == 0, made.err
    refused = gpuae(*own, "--force", "--categorical", "hue,form")
    assert refused.code == 2
    assert "init_from: that model knows other categories" in refused.err
