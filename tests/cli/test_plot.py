"""gpuae plot: kinds of pictures, where they are drawn, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from gpuae.cli.plot import KINDS
from gpuae.machine import Machine
from gpuae.pictures.picture import Axes, Lines, Picture
from gpuae.plots import figure

FIT = ("--hidden", 2, "--epochs", 2, "--patience", 0)
OF_ROWS = [kind for kind, own in KINDS.items() if own.arguments != "MODEL" and kind != "dimensions"]
OF_MODEL = [kind for kind, own in KINDS.items() if own.arguments == "MODEL"]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Nothing of the environment decides how wide or how colourful a picture is."""
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def saved(monkeypatch):
    """Files hold the titles of the pictures that would be drawn in them, which is quicker."""
    monkeypatch.setattr(figure, "_content", lambda picture, ending: picture.title.encode())


@pytest.fixture
def given(monkeypatch):
    """A function that stands in for a picture's and notes what it is given."""

    def stand_in(kind):
        noted = {}

        def draw(*arguments, **options):
            noted.update(options, arguments=arguments)
            return Picture("stand-in", (Lines("", Axes("", ""), ()),), "what is seen")

        module = {"map": "code_map"}.get(kind, kind)
        monkeypatch.setattr(f"gpuae.pictures.{module}.{module}", draw)
        return noted

    return stand_in


# In the terminal


@pytest.mark.parametrize("kind", [*OF_MODEL, *OF_ROWS])
def test_a_picture_is_drawn_in_characters_where_output_is_no_terminal(gpuae, model, kind):
    rows = () if kind in OF_MODEL else ("rows.npy",)
    done = gpuae("plot", kind, "model.h5", *rows)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert any(character in done.out for character in "┌█")
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1].endswith(".")  # what is seen, in a sentence
    assert "\x1b" not in done.out


def test_several_kinds_are_drawn_one_below_the_other(gpuae, model):
    done = gpuae("plot", "history,weights", "model.h5")
    titles = ("How training went", "What each unit looks for")
    assert [line for line in done.out.splitlines() if line in titles] == list(titles)


def test_columns_says_how_wide(gpuae, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    lines = gpuae("plot", "history", "model.h5").out.splitlines()
    assert max(map(len, lines[:-1])) == 50


def test_a_checkpoint_is_a_model_too(gpuae, model):
    done = gpuae("fit", "rows.npy", "-o", "m.h5", *FIT, "--checkpoint", "run.h5")
    assert done.code == 0, done.err
    assert gpuae("plot", "history", "run.h5").code == 0


# Files


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_file_is_of_the_kind_that_its_name_says(gpuae, model, ending, begins):
    done = gpuae("plot", "history", "model.h5", "-o", f"a.{ending}")
    assert done.code == 0, done.err
    assert done.out.startswith(f"wrote history to a.{ending}\n")
    assert Path(f"a.{ending}").read_bytes().startswith(begins)


def test_several_files_and_several_kinds(gpuae, model, saved):
    outputs = ("-o", "{kind}.png", "-o", "a {kind}.svg")
    assert gpuae("plot", "weights,history", "model.h5", *outputs).code == 0
    names = {"weights.png", "history.png", "a weights.svg", "a history.svg"}
    assert {path.name for path in Path().glob("*.[ps][nv]g")} == names
    assert Path("history.png").read_text() == Path("a history.svg").read_text()
    assert Path("history.png").read_text() != Path("weights.png").read_text()


def test_all_is_what_the_model_and_the_rows_allow(gpuae, model, saved):
    assert gpuae("plot", "all", "model.h5", "-o", "{kind}.png").code == 0
    assert {path.stem for path in Path().glob("*.png")} == set(OF_MODEL)
    assert gpuae("plot", "all", "model.h5", "rows.npy", "-o", "b-{kind}.png").code == 0
    drawn = {path.stem.removeprefix("b-") for path in Path().glob("b-*.png")}
    assert drawn == {*OF_MODEL, *OF_ROWS}


def test_of_all_that_cannot_be_drawn_it_is_said_why(gpuae, rows, saved):
    np.save("rows.npy", rows)
    assert gpuae("fit", "rows.npy", "-o", "m.h5", "--hidden", 2, "--epochs", 0).code == 0
    done = gpuae("plot", "all", "m.h5", "-o", "{kind}.png")
    assert done.code == 0
    assert "note: no history: " in done.err
    assert not Path("history.png").exists()
    assert Path("weights.png").exists()
    refused(gpuae("plot", "history", "m.h5"), "history")


def test_of_a_list_the_others_are_drawn_before_one_that_cannot_be_is_an_error(gpuae, rows, saved):
    np.save("rows.npy", rows)
    assert gpuae("fit", "rows.npy", "-o", "m.h5", "--hidden", 2, "--epochs", 0).code == 0
    done = gpuae("plot", "weights,history,onehot", "m.h5", "-o", "{kind}.png")
    assert done.code == 2
    assert "note: no history: " in done.err
    assert "Error: history: not drawn" in done.err
    assert {path.stem for path in Path().glob("*.png")} == {"weights", "onehot"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("all", "no.h5"), "no.h5"),
        (("all", "model.h5", "no.npy"), "no.npy"),
        (("weights,codes", "no.h5", "rows.npy"), "no.h5"),
        (("weights,codes", "model.h5", "no.npy"), "no.npy"),
    ],
)
def test_what_no_picture_can_be_drawn_of_is_refused_once(gpuae, model, saved, given, named):
    refused(gpuae("plot", *given, "-o", "{kind}.png"), named)
    assert not list(Path().glob("*.png"))


def test_a_name_with_a_line_break_stays_on_its_line(gpuae, rows):
    header = ",".join(f'"a{number}\nb"' for number in range(rows.shape[1]))
    lines = (",".join(map(str, row)) for row in rows)
    Path("rows.csv").write_text("\n".join([header, *lines]))
    assert gpuae("fit", "rows.csv", "-o", "m.h5", "--hidden", 2, "--epochs", 0).code == 0
    said = gpuae("plot", "weights", "m.h5").out
    assert "\\nb (" in said
    assert "\nb (" not in said


def test_what_is_there_is_not_replaced_without_force(gpuae, model, saved):
    Path("b.png").write_text("mine")
    refused(gpuae("plot", "history", "model.h5", "-o", "a.png", "-o", "b.png"), "b.png", "--force")
    assert not Path("a.png").exists()
    assert Path("b.png").read_text() == "mine"
    assert gpuae("plot", "history", "model.h5", "-o", "b.png", "--force").code == 0
    assert Path("b.png").read_text() != "mine"


def test_ctrl_c_leaves_nothing(gpuae, model, monkeypatch):
    def interrupted(picture, ending):
        raise KeyboardInterrupt

    monkeypatch.setattr(figure, "_content", interrupted)
    before = set(Path().iterdir())
    assert gpuae("plot", "history", "model.h5", "-o", "a.png").code == 130
    assert set(Path().iterdir()) == before


# Options


def test_weights_are_counted_and_put_side_by_side(gpuae, model, given):
    for kind in ("weights", "onehot"):
        noted = given(kind)
        assert gpuae("plot", kind, "model.h5", "--count", 3, "--alike").code == 0
        assert (noted["count"], noted["alike"]) == (3, True)


def test_rows_are_chosen_by_number_or_drawn(gpuae, model, given):
    noted = given("reconstructions")
    drawn = ("plot", "reconstructions", "model.h5", "rows.npy")
    assert gpuae(*drawn, "--rows", "7, 0,3-5").code == 0
    assert noted["arguments"][1].numbers.tolist() == [7, 0, 3, 4, 5]
    assert gpuae(*drawn).code == 0
    assert len(noted["arguments"][1].numbers) == 20
    assert gpuae(*drawn, "--count", 4).code == 0
    assert len(noted["arguments"][1].numbers) == 4
    refused(gpuae(*drawn, "--rows", "40"), "--rows", "no row 40", "40 rows")
    refused(gpuae(*drawn, "--rows", "a.csv"), "--rows", "'a.csv'")


def test_a_map_is_of_a_sample_and_coloured_by_label_where_there_are_labels(gpuae, model, given):
    noted = given("map")
    drawn = ("plot", "map", "model.h5", "rows.npy", "--sample", 9, "--method", "tsne")
    assert gpuae(*drawn).code == 0
    assert (noted["method"], noted["colour"]) == ("tsne", None)
    assert len(noted["arguments"][1].x) == 9
    np.savez("labelled.npz", x=np.load("rows.npy"), y=np.arange(40) % 2)
    assert gpuae("plot", "map", "model.h5", "labelled.npz").code == 0
    assert noted["colour"] == "label"
    assert gpuae("plot", "map", "model.h5", "labelled.npz", "--colour", "3").code == 0
    assert noted["colour"] == "3"


def test_a_threshold_and_the_machine_are_passed_on(gpuae, model, given):
    noted = given("errors")
    machine = ("--device", "numpy", "--threads", 1, "--memory", "1MB")
    assert gpuae("plot", "errors", "model.h5", "rows.npy", "--threshold", 3, *machine).code == 0
    expected = {"threshold": 3.0, "machine": Machine("numpy", 1, 1 << 20)}
    assert {name: noted[name] for name in expected} == expected


def test_columns_are_read_as_by_other_commands(gpuae, given):
    lines = ["0.5;1.5;x", "1,5;2,5;y"] * 10
    Path("t.csv").write_text("\n".join(line.replace(".", ",") for line in lines))
    how = ("--no-header", "--decimal", ",", "--label-column", 3)
    assert gpuae("fit", "t.csv", "-o", "m.h5", *FIT, *how).code == 0
    noted = given("codes")
    done = gpuae("plot", "codes", "m.h5", "t.csv", *how)
    assert done.code == 0, done.err
    assert noted["arguments"][1].x[:2].tolist() == [[0.5, 1.5], [1.5, 2.5]]
    assert noted["arguments"][1].y[:2].tolist() == ["x", "y"]


# Without a model


def test_errors_of_a_file_of_scores(gpuae, model):
    assert gpuae("score", "model.h5", "rows.npy", "-o", "s.h5").code == 0
    done = gpuae("plot", "errors", "s.h5")
    assert done.code == 0, done.err
    assert "40" in done.out.splitlines()[-1]
    refused(gpuae("plot", "errors", "s.h5", "--sample", 3), "--sample is for rows")
    refused(gpuae("plot", "errors", "model.h5"), "model.h5 is a model; give DATA")


def test_dimensions_of_rows_or_of_what_was_found_before(gpuae, rows):
    np.save("rows.npy", rows)
    searched = gpuae("dimensions", "rows.npy", "--max", 2, "--json")
    Path("found.json").write_text(searched.out)
    own = gpuae("plot", "dimensions", "rows.npy", "--max", 2)
    assert own.code == 0, own.err
    assert own.err.count("code size") == 1
    before = gpuae("plot", "dimensions", "found.json")
    assert before.code == 0, before.err
    assert before.out == own.out
    assert json.loads(searched.out)["reason"] in before.out
    refused(gpuae("plot", "dimensions", "found.json", "--max", 3), "--max is for rows")


def test_a_search_that_is_interrupted_before_anything_is_found(gpuae, rows, monkeypatch):
    np.save("rows.npy", rows)
    monkeypatch.setattr("gpuae.dimensions.find_dimensions", lambda *a, **b: None)
    assert gpuae("plot", "dimensions", "rows.npy", "-o", "a.png").code == 130
    assert not Path("a.png").exists()


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("wieghts", "model.h5"), ("'wieghts'", "did you mean weights?")),
        (("weights,", "model.h5"), ("''", "kinds are weights")),
        (("weights",), ("MODEL",)),
        (("codes", "model.h5"), ("DATA",)),
        (("weights", "model.h5", "rows.npy"), ("MODEL and no more", "rows.npy")),
        (("weights,dimensions", "model.h5"), ("dimensions are of data",)),
        (("history", "model.h5", "--alike"), ("--alike is for weights and onehot", "history")),
        (("weights", "model.h5", "--rows", "1"), ("--rows is for reconstructions",)),
        (("codes", "model.h5", "rows.npy", "--method", "pca"), ("--method is for map, not",)),
        (("history", "model.h5", "--sample", "9"), ("--sample is for codes, map and errors, not",)),
        (("weights", "model.h5", "--shiny"), ("--shiny",)),
        (("weights", "model.h5", "--count", "0"), ("--count",)),
        (("weights", "model.h5", "-o", "a.gif"), ("a.gif", ".png, .svg or .pdf")),
        (("weights", "model.h5", "-o", "no/a.png"), ("no/a.png", "folder")),
        (("weights", "model.h5", "-o", "a.png", "-o", "a.png"), ("a.png", "twice")),
        (("weights,codes", "model.h5", "rows.npy", "-o", "a.png"), ("a.png", "{kind}")),
        (("weights", "model.h5", "-o", "a.png", "--characters"), ("--characters",)),
        (("weights", "rows.npy"), ("rows.npy",)),
        (("weights", "none.h5"), ("none.h5",)),
        (("map", "model.h5", "none.npy"), ("none.npy",)),
        (("dimensions", "none.json"), ("none.json",)),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(gpuae, model, arguments, words):
    before = set(Path().iterdir())
    refused(gpuae("plot", *arguments), *words)
    assert set(Path().iterdir()) == before


def test_without_plotext_a_file_can_still_be_drawn(gpuae, model, saved, monkeypatch):
    monkeypatch.setattr("gpuae.plots.characters.canvas.find_spec", lambda name: None)
    refused(gpuae("plot", "history", "model.h5"), "pip install 'gpuae[plot]'", "-o FILE")
    assert gpuae("plot", "history", "model.h5", "-o", "a.png").code == 0


def test_the_help_of_a_kind_has_its_own_options_only(gpuae):
    for kind, own in KINDS.items():
        text = gpuae("plot", kind, "--help").out
        assert f"Example:\n    gpuae plot {kind} " in text
        for option in ("count", "alike", "rows", "colour", "method", "threshold", "sample", "max"):
            assert (f"--{option} " in text) == (option in own.options), (kind, option)
    assert "--colour" in gpuae("plot", "weights,map", "--help").out


def test_no_text_of_a_file_steers_the_terminal(gpuae):
    names = ["\x1b[31mred", "b\x07", "c"]
    rows = np.random.default_rng(0).random((30, 3))
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    Path("t.csv").write_text("\n".join(lines))
    assert gpuae("fit", "t.csv", "-o", "m.h5", *FIT).code == 0
    done = gpuae("plot", "all", "m.h5", "t.csv")
    assert done.code == 0, done.err
    assert "\\x1b[31mred" in done.out
    assert not set("\x1b\x07") & set(done.out + done.err)
