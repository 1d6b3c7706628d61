"""Weights of rows in the shell: from a file or a column, in whatever form, and what is refused."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae.model.model import Model
from gpuae.storage.provenance.lineage import Record

FIT = ("--hidden", "2", "--epochs", 2, "--patience", 0, "--device", "numpy")


@pytest.fixture
def table(gpuae):
    """rows.csv of 30 rows of four columns, with.csv with weights and labels, and weights apart."""
    random = np.random.default_rng(0)
    x, weights = random.standard_normal((30, 4)).round(3), np.arange(30) % 4 * 0.5
    weights[5] = 0.123456789012345
    names = ["a", "b", "c", "d"]
    lines = [",".join(map(str, row)) for row in x.tolist()]
    Path("rows.csv").write_text("\n".join([",".join(names), *lines]))
    both = zip(lines, weights.tolist(), strict=True)
    marked = [f"{line},{own},{'up' if own > 0.6 else 'down'}" for line, own in both]
    Path("with.csv").write_text("\n".join([",".join([*names, "w", "label"]), *marked]))
    np.save("w.npy", weights)
    return weights


def fitted(gpuae, *arguments):
    made = gpuae("fit", *arguments, "-o", "m.h5", *FIT, "--force")
    assert made.code == 0, made.err
    assert "note: 8 of the 30 rows have the weight 0 and are left out" in made.err
    return Model.load(Path("m.h5"))


def written_as(form, weights):
    """Write weights in a form and return what the option is given."""
    text = "\n".join(map(repr, weights.tolist()))
    if form == "h5":
        with h5py.File("w.h5", "w") as file:
            file["weights"] = weights[:, None]
        return "w.h5::/weights"
    if form == "csv":
        Path("w.csv").write_text(text)
    else:
        numbered = [f"{i},{own!r},7" for i, own in enumerate(weights.tolist())]
        Path("named.csv").write_text("\n".join(["row_id,weight,other", *numbered]))
    return {"csv": "w.csv", "named": "named.csv"}[form]


@pytest.mark.parametrize("form", ["csv", "named", "h5", "column"])
def test_weights_are_the_same_in_every_form(gpuae, table, form):
    known = fitted(gpuae, "rows.csv", "--weights", "w.npy")
    if form == "column":
        other = fitted(gpuae, "with.csv", "--weight-column", "w")
    else:
        other = fitted(gpuae, "rows.csv", "--weights", written_as(form, table))
    np.testing.assert_array_equal(known.parameters, other.parameters)
    assert other.feature_names == ("a", "b", "c", "d")


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_a_column_of_any_table_weighs_its_rows(gpuae, table, ending):
    polars = pytest.importorskip("polars")
    frame = polars.read_csv("with.csv")
    if ending == "xlsx":
        pytest.importorskip("openpyxl")
        from openpyxl import Workbook

        book = Workbook()
        for row in [frame.columns, *frame.rows()]:
            book.active.append(list(row))
        book.save("with.xlsx")
    else:
        frame.write_parquet("with.parquet")
    known = fitted(gpuae, "with.csv", "--weight-column", "w")
    other = fitted(gpuae, f"with.{ending}", "--weight-column", "w")
    options = [Record.of(own.attributes, "m.h5").options for own in (known, other)]
    assert options[0] == options[1]
    assert other.feature_names == ("a", "b", "c", "d")


def test_a_model_says_that_rows_had_weights_and_from_where(gpuae, table):
    record = Record.of(fitted(gpuae, "rows.csv", "--weights", "w.npy").attributes, "m.h5")
    assert [(own.role, own.name) for own in record.sources] == [
        ("data", "rows.csv"),
        ("weights", "w.npy"),
    ]
    digest = record.options["weights_sha256"]
    assert len(digest) == 64
    told = Record.of(fitted(gpuae, "with.csv", "--weight-column", "w").attributes, "m.h5").options
    assert told == {"weight_column": "w", "weights_sha256": digest}


def test_a_model_remembers_the_column(gpuae, table):
    fitted(gpuae, "with.csv", "--weight-column", "w")
    plain = json.loads(gpuae("evaluate", "m.h5", "rows.csv", "--json").out)
    known = json.loads(gpuae("evaluate", "m.h5", "rows.csv", "--weights", "w.npy", "--json").out)
    found = gpuae("evaluate", "m.h5", "with.csv", "--json")
    assert json.loads(found.out) == known
    assert known["mse"] != plain["mse"]
    assert (known["rows"], plain["rows"]) == (22, 30)
    assert "the column 'w' is taken as the weights of the rows, as for m.h5" in found.err


def test_a_classifier_is_trained_and_measured_with_weights(gpuae, table):
    fitted(gpuae, "rows.csv", "--weights", "w.npy")
    made = gpuae(
        *("finetune", "m.h5", "with.csv", "-o", "c.h5", "--device", "numpy", "--weights", "w.npy"),
        *("--head-epochs", 2, "--epochs", 1, "--json"),
    )
    assert made.code == 0, made.err
    summary = json.loads(made.out)
    assert summary["rows"] + summary["held_out_rows"] == 22
    record = Record.of(Model.load(Path("c.h5")).attributes, "c.h5")
    assert "weights" in [own.role for own in record.sources]
    found = gpuae("evaluate", "c.h5", "with.csv", "--weight-column", "w", "--json")
    figures = json.loads(found.out)
    assert np.sum(figures["confusion"]) == pytest.approx(table.sum())
    right = np.trace(figures["confusion"]) / table.sum()
    assert figures["accuracy"] == pytest.approx(right)


def test_validation_data_have_the_weights_of_the_same_column(gpuae, table):
    own = ("with.csv", "--validation-data", "with.csv", "--weight-column", "w")
    made = gpuae("fit", *own, "-o", "v.h5", *FIT, "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["measured_rows"] == 22
    refused(
        gpuae(
            "fit", "with.csv", "--validation-data", "rows.csv", "--weight-column", "w", "-o", "n"
        ),
        "no column is named 'w'",
    )


def test_a_run_goes_on_with_the_same_weights_only(gpuae, table):
    own = ("fit", "rows.csv", "-o", "r.h5", "--checkpoint", "c.h5", "--resume", "--force")
    own += ("--hidden", "2", "--schedule", "constant", "--validation", 0.2, "--device", "numpy")
    assert gpuae(*own, "--weights", "w.npy", "--epochs", 1).code == 0
    others = table.copy()
    others[1] += 1
    np.save("others.npy", others)
    for wrong in ((), ("--weights", "others.npy")):
        refused(gpuae(*own, *wrong, "--epochs", 2), "is of another run")
    assert gpuae(*own, "--weights", "w.npy", "--epochs", 2).code == 0


def test_a_gradient_is_checked_with_weights(gpuae, monkeypatch):
    own = ("gradcheck", "--hidden", 3, "--sparsity", "l1", "--device", "numpy", "--json")
    plain, weighted = (json.loads(gpuae(*own, *more).out) for more in ((), ("--weighted",)))
    assert weighted["largest_relative_error"] < weighted["limit"]
    assert weighted != plain


BAD = {
    "negative": (-np.ones(30), "the weight of row 1 is -1; give finite numbers of 0 or more"),
    "nan": (np.full(30, np.nan), "the weight of row 1 is nan"),
    "infinite": (np.full(30, np.inf), "the weight of row 1 is inf"),
    "zero": (np.zeros(30), "all weights are zero; give some rows a weight above 0"),
    "short": (np.ones(29), "has 29 weights for 30 rows; give one a row"),
    "matrix": (np.ones((30, 2)), "has shape (30, 2) where one weight a row is needed"),
    "text": (np.array(["x"] * 30), "holds text, no numbers"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_what_is_no_weight_is_refused(gpuae, table, kind, command):
    values, words = BAD[kind]
    np.save("bad.npy", values)
    if command == "fit":
        own = ("fit", "rows.csv", "-o", "n.h5")
    else:
        assert gpuae("fit", "rows.csv", "-o", "m.h5", *FIT).code == 0
        own = ("evaluate", "m.h5", "rows.csv")
    refused(gpuae(*own, "--weights", "bad.npy"), words)
    assert not Path("n.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("with.csv", "--weight-column", "no"), "no column is named 'no'"),
        (("with.csv", "--weight-column", "a", "--columns", "a,b"), "it can be only one thing"),
        (
            ("with.csv", "--weight-column", "w", "--label-column", "w"),
            "it can be only one thing",
        ),
        (("with.csv", "--weight-column", "label"), "the weight of row 1 is 'down'; give a number"),
        (("with.csv", "--weight-column", "w", "--weights", "w.npy"), "give one"),
        (("w.npy", "--weight-column", "w"), "1 dimension"),
        (("rows.npy", "--weight-column", "w"), "give a file of weights by --weights"),
        (("rows.csv", "--weights", "with.csv"), "has 6 columns; name the one of weights `weight`"),
        (("rows.csv", "--weights", "none.npy"), "no such file"),
        (("rows.csv", "--weights", "any.h5"), "give FILE::NAME to say which array"),
        (("rows.csv", "--weights", "n.h5"), "n.h5"),
    ],
)
def test_what_cannot_be_weighed_by_is_refused(gpuae, table, arguments, words):
    np.save("rows.npy", np.ones((30, 2)))
    with h5py.File("any.h5", "w") as file:
        file["w"] = table
    with h5py.File("n.h5", "w") as file:
        file["w"] = table
    before = Path("n.h5").read_bytes()
    refused(gpuae("fit", *arguments, "-o", "n.h5", "--force", *FIT), words)
    assert Path("n.h5").read_bytes() == before
