"""gpuae finetune, predict and evaluate: from labelled rows to classes, and what is refused."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused
from sklearn.datasets import load_iris

from gpuae.model.model import Model

FEW = ("--head-epochs", 20, "--epochs", 20)


def make_classifier(gpuae):
    iris = load_iris()
    lines = ["a,b,c,d,label"]
    for row, kind in zip(iris.data, iris.target, strict=True):
        lines.append(",".join([*map(str, row), str(iris.target_names[kind])]))
    Path("iris.csv").write_text("\n".join(lines))
    np.save("rows.npy", iris.data)
    np.save("numbers.npy", iris.target)
    assert gpuae("fit", "iris.csv", "-o", "model.h5", "--hidden", "6,3", "--epochs", 30).code == 0
    made = gpuae("finetune", "model.h5", "iris.csv", "-o", "c.h5", *FEW)
    assert made.code == 0, made.err
    assert "right about" in made.out


@pytest.fixture
def classifier(once):
    """A classifier c.h5 of model.h5 and of iris.csv, whose labels are names."""
    once("classifier", make_classifier)
    return load_iris()


TUNED = ("finetune", "model.h5", "iris.csv", "-o", "t.h5", *FEW)


def test_the_log_has_both_stages_and_ends_with_what_is_printed_as_json(gpuae, classifier):
    made = gpuae(*TUNED, "--json", "--log", "run.jsonl", "--tensorboard", "board")
    assert made.code == 0, made.err
    events = [json.loads(line) for line in Path("run.jsonl").read_text("utf-8").splitlines()]
    told = [event["stage"] for event in events if event["event"] == "epoch"]
    assert list(dict.fromkeys(told)) == ["softmax layer", "whole network"]
    assert events[-1].items() >= {**json.loads(made.out), "event": "end"}.items()
    assert list(Path("board").iterdir())
    assert gpuae("verify", "--same", "c.h5", "t.h5").code == 0


@pytest.mark.parametrize("path", ["t.h5", "model.h5", "iris.csv"])
def test_a_log_is_no_other_file_of_the_run(gpuae, classifier, path):
    refused(gpuae(*TUNED, "--log", path, "--force"), "another file of this run")


@pytest.mark.parametrize(("wish", "left"), [("keep", True), ("stop", False)])
def test_a_button_of_the_page_ends_finetuning(gpuae, classifier, monkeypatch, wish, left):
    pytest.importorskip("uvicorn")
    from gpuae.live.run import Asked, Run

    def pressed(run, config, columns, rows):
        run.asked = Asked(wish)

    monkeypatch.setattr(Run, "training_starts", pressed)
    made = gpuae(*TUNED, "--live")
    assert made.code == 130, made.err
    assert "watch it at http://127.0.0.1:" in made.err
    assert Path("t.h5").exists() is left


def test_a_table_of_classes_has_the_labels_and_their_probabilities(gpuae, classifier):
    assert gpuae("predict", "c.h5", "iris.csv", "-o", "p.csv").code == 0
    with Path("p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row_id", "label", "class", "p_setosa", "p_versicolor", "p_virginica"]
    assert rows[0]["class"] == "setosa"
    for row in rows:
        shares = {name: float(row[f"p_{name}"]) for name in classifier.target_names}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert row["class"] == max(shares, key=shares.get)


def test_hdf5_says_the_same_and_where_it_comes_from(gpuae, classifier):
    assert gpuae("predict", "c.h5", "iris.csv", "-o", "p.h5").code == 0
    with h5py.File("p.h5") as file:
        own = file["/predictions"]
        np.testing.assert_array_equal(own["class_index"][:], own["probability"][:].argmax(axis=1))
        assert own["classes"].asstr()[:].tolist() == list(classifier.target_names)
        assert own["y"].asstr()[0] == "setosa"
    verified = gpuae("verify", "p.h5", "c.h5", "model.h5")
    assert verified.code == 0
    assert verified.out.count(": ok, ") == 3


def test_evaluate_counts_what_was_taken_for_what(gpuae, classifier):
    shown = gpuae("evaluate", "c.h5", "iris.csv")
    assert "note: iris.csv is what the classifier was trained on" in shown.err
    others = Path("iris.csv").read_text().splitlines()
    Path("others.csv").write_text("\n".join(others[:1] + others[1:][::2]))
    assert "trained on" not in gpuae("evaluate", "c.h5", "others.csv").err
    assert "accuracy" in shown.out
    assert "class versicolor" in shown.out
    figures = json.loads(gpuae("evaluate", "c.h5", "iris.csv", "--json").out)
    confusion = np.array(figures["confusion"])
    assert confusion.sum() == 150
    assert figures["accuracy"] == pytest.approx(np.trace(confusion) / 150)
    assert [own["label"] for own in figures["by_class"]] == list(classifier.target_names)


def test_labels_may_have_a_file_of_their_own_and_be_numbers(gpuae, classifier):
    made = gpuae("fit", "rows.npy", "-o", "m.h5", "--hidden", 3, "--epochs", 5)
    assert made.code == 0
    tuned = ("finetune", "m.h5", "rows.npy", "--labels", "numbers.npy", "-o", "n.h5", "--json")
    summary = json.loads(gpuae(*tuned, *FEW).out)
    assert summary["classes"] == [0, 1, 2]
    assert summary["rows"] + summary["held_out_rows"] == 150
    with h5py.File("n.h5") as file:
        made = json.loads(file.attrs["provenance_json"])
    assert [source["role"] for source in made["sources"]] == ["model", "data", "labels"]
    evaluated = gpuae("evaluate", "n.h5", "rows.npy", "--labels", "numbers.npy")
    assert evaluated.code == 0


def test_settings_may_come_from_a_file(gpuae, classifier):
    Path("tune.toml").write_text("epochs = 2\nhead_epochs = 1\n[class_weight]\nsetosa = 2.0\n")
    tuned = ("finetune", "model.h5", "iris.csv", "-o", "t.h5", "--config", "tune.toml")
    assert gpuae(*tuned, "--epochs", 3).code == 0
    config = Model.load(Path("t.h5")).classification.config
    assert (config.head_epochs, config.epochs) == (1, 3)
    assert config.class_weight == {"setosa": 2.0}


def test_features_of_the_trained_encoder_can_be_written(gpuae, classifier):
    assert gpuae("encode", "c.h5", "iris.csv", "-o", "codes.h5").code == 0
    with h5py.File("codes.h5") as file:
        assert file["/features/code"].shape == (150, 3)


def test_two_trainings_give_the_same_file_but_for_timings(gpuae, classifier):
    tuned = ("finetune", "model.h5", "iris.csv", "-o", "again.h5", *FEW)
    assert gpuae(*tuned).code == 0
    assert gpuae("verify", "--same", "c.h5", "again.h5").code == 0


REFUSED = {
    "no labels": (("finetune", "model.h5", "rows.npy", "-o", "no.h5"), "no labels", "--labels"),
    "other length": (
        ("finetune", "model.h5", "iris.csv", "--labels", "five.npy", "-o", "no.h5"),
        "five.npy",
        "5 labels",
        "150 rows",
    ),
    "no classes": (
        ("finetune", "model.h5", "iris.csv", "--labels", "halves.npy", "-o", "no.h5"),
        "halves.npy",
        "no class",
    ),
    "one class": (
        ("finetune", "model.h5", "iris.csv", "--labels", "same.npy", "-o", "no.h5"),
        "one class",
    ),
    "nothing": (
        ("finetune", "model.h5", "iris.csv", "-o", "no.h5", "--epochs", 0, "--head-epochs", 0),
        "nothing would be trained",
    ),
    "unknown weight": (
        ("finetune", "model.h5", "iris.csv", "-o", "no.h5", "--class-weight", "some"),
        "class_weight",
    ),
    "no model": (("finetune", "iris.csv", "iris.csv", "-o", "no.h5"), "iris.csv"),
    "there": (("finetune", "model.h5", "iris.csv", "-o", "c.h5"), "exists already"),
    "input": (("finetune", "model.h5", "iris.csv", "-o", "model.h5", "--force"), "another name"),
    "a table": (("finetune", "model.h5", "iris.csv", "-o", "c.csv"), "is HDF5"),
    "no classifier": (("predict", "model.h5", "iris.csv", "-o", "no.h5"), "knows no classes"),
    "no decoder": (("reconstruct", "c.h5", "iris.csv", "-o", "no.h5"), "has no decoder"),
    "no score": (("score", "c.h5", "iris.csv", "-o", "no.h5"), "has no decoder"),
    "no compression": (("compress", "c.h5", "iris.csv", "-o", "no.h5"), "has no decoder"),
    "no start": (("fit", "iris.csv", "--init-from", "c.h5", "-o", "no.h5"), "has no decoder"),
    "no stack": (("stack", "model.h5", "c.h5", "-o", "no.h5"), "model 2 is a classifier"),
    "unseen": (("evaluate", "c.h5", "other.csv"), "did not see", "'daisy'"),
    "other labels": (("evaluate", "c.h5", "iris.csv", "--labels", "numbers.npy"), "integers"),
    "no truth": (("evaluate", "c.h5", "plain.csv"), "no labels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_in_a_sentence(gpuae, classifier, case):
    np.save("five.npy", np.arange(5))
    np.save("halves.npy", np.arange(150) / 2)
    np.save("same.npy", np.ones(150, int))
    table = Path("iris.csv").read_text()
    Path("other.csv").write_text(table.replace("versicolor", "daisy"))
    plain = [line.rpartition(",")[0] for line in table.splitlines()]
    Path("plain.csv").write_text("\n".join(plain))
    arguments, *words = REFUSED[case]
    before = Path("c.h5").read_bytes()
    refused(gpuae(*arguments), *words)
    assert Path("c.h5").read_bytes() == before
    assert not Path("no.h5").exists()


def test_a_line_without_a_label_is_refused(gpuae, classifier):
    lines = ["kind", *(str(i) for i in classifier.target)]
    lines[4] = ""
    Path("labels.csv").write_text("\n".join(lines))
    arguments = ("finetune", "model.h5", "iris.csv", "--labels", "labels.csv", "-o", "no.h5")
    refused(gpuae(*arguments), "labels.csv", "line 5 is blank")


DAMAGE = {
    "unknown": ("finetune_json", '{"zzz": 1}', "zzz"),
    "impossible": ("finetune_json", '{"epochs": -3}', "epochs"),
    "no JSON": ("finetune_json", "{", "not JSON"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_settings_of_a_classifier_that_make_no_sense_are_seen(gpuae, classifier, case):
    name, text, word = DAMAGE[case]
    with h5py.File("c.h5", "r+") as file:
        file.attrs[name] = text
    for command in (("verify", "c.h5"), ("predict", "c.h5", "iris.csv", "-o", "no.csv")):
        outcome = gpuae(*command)
        assert outcome.code != 0
        assert "c.h5" in outcome.out + outcome.err
        assert word in outcome.out + outcome.err


def test_a_classifier_has_no_decoder_and_predictions_are_of_its_classes(gpuae, classifier):
    assert gpuae("predict", "c.h5", "iris.csv", "-o", "p.h5").code == 0
    with h5py.File("p.h5", "r+") as file:
        file["/predictions/class_index"][3] = 99
    assert "row 4 is of class 99 of 3" in gpuae("verify", "p.h5").out
    with h5py.File("c.h5", "r+") as file:
        file["/model/decoder/0/bias"] = np.zeros(3, np.float32)
    assert "/model/decoder is there" in gpuae("verify", "c.h5").out


def test_a_fit_that_starts_from_a_model_scales_as_it_did(gpuae, classifier):
    from gpuae.model.model import Model

    fit = ("fit", "iris.csv", "--epochs", 0, "--validation", 0)
    assert gpuae(*fit, "-o", "one.h5", "--scale", "minmax", "--hidden", "5,3").code == 0
    assert gpuae(*fit, "-o", "two.h5", "--init-from", "one.h5").code == 0
    assert Model.load(Path("two.h5")).config.scale == "minmax"


def test_labels_are_not_for_autoencoders(gpuae, classifier):
    outcome = gpuae("evaluate", "model.h5", "iris.csv", "--labels", "numbers.npy")
    assert outcome.code == 2
    assert "--labels are for a classifier" in outcome.err
