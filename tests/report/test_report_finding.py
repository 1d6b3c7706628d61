"""The first words of a report: how good a model is, said plainly."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae.classification import ClassFigures, ClassifierFigures
from gpuae.evaluation import evaluate
from gpuae.finetune_config import FinetuneConfig
from gpuae.machine import Machine
from gpuae.model.classifier import Classification
from gpuae.report import finding
from gpuae.report.build import Measured
from gpuae.storage.rows.dataset import Dataset


@pytest.fixture(scope="module")
def figures(usual):
    return evaluate(usual.model, usual.data.x, machine=Machine("cpu", 1))


def test_the_figures_are_those_of_evaluate(usual, figures):
    assert Measured.of(usual).figures == figures


@pytest.mark.parametrize(
    ("own", "pca", "grade", "words"),
    [
        (0.95, 0.90, "good", "explains more than PCA"),
        (0.905, 0.90, "good", "explains as much as PCA"),
        (0.405, 0.40, "fair", "explains as much as PCA"),
        (0.85, 0.90, "fair", "almost as much as PCA"),
        (0.60, 0.90, "poor", "This model is poor: it explains less than PCA"),
        (0.005, 0.90, "bad", "This model is bad: it explains nothing"),
        (-2.0, 0.90, "bad", "This model is bad: the mean of each column would do better"),
    ],
)
def test_a_model_is_placed_beside_pca(usual, figures, own, pca, grade, words):
    variance = figures.preprocessed_variance
    errors = {"preprocessed_mse": (1 - own) * variance}
    errors["preprocessed_pca_mse"] = (1 - pca) * variance
    found = finding.of_autoencoder(usual, replace(figures, **errors), ())
    assert found.grade == grade
    assert words in found.headline
    assert f"{own:.1%}" in found.sentence
    assert f"components {pca:.1%}" in found.sentence
    assert (found.advice is not None) == (grade in ("poor", "bad"))


def test_a_model_that_has_learnt_nothing_is_called_bad_with_what_to_try(usual, spoilt):
    found = Measured.of(spoilt(usual)).finding
    assert found.grade == "bad"
    assert "the mean of each column would do better" in found.headline
    assert "may help" in found.advice


def test_units_that_do_nothing_are_counted(usual):
    model = usual.model
    views = model.network.views(parameters := model.parameters.copy())
    views[0].weight[:, 1], views[0].bias[1] = 0.0, 0.0
    dead = replace(usual, model=replace(model, parameters=parameters))
    remarks = Measured.of(dead).finding.remarks
    assert any("1 of 2 code units is dead" in remark for remark in remarks)
    assert not any("dead" in remark for remark in Measured.of(usual).finding.remarks)


def test_rows_of_training_are_called_so_beside_the_figures_of_others(usual):
    held_out = usual.model.attributes["held_out_explained_variance"]
    seen = Measured.of(replace(usual, trained_on=True)).finding.remarks[0]
    assert "trained on these very rows, which may flatter it" in seen
    unseen = Measured.of(usual).finding.remarks[0]
    assert unseen.startswith("To compare with: of ")
    assert all(f"explained {held_out:.1%}" in remark for remark in (seen, unseen))


def test_rows_of_training_are_judged_by_those_that_were_held_out(usual, figures):
    """Of noise, a model explains something of the rows that it knows, and nothing of others."""
    known = {"held_out_explained_variance": -0.01, "held_out_pca_explained_variance": -0.02}
    model = replace(usual.model, attributes={**usual.model.attributes, **known})
    own = replace(usual, model=model, trained_on=True)
    found = finding.of_autoencoder(own, figures, ())
    assert found.grade == "bad"
    assert found.headline.endswith("explains nothing, on rows that were held out in training")
    assert "may help" in found.advice
    assert finding.of_autoencoder(replace(own, trained_on=False), figures, ()).grade == "good"


def test_rows_unlike_those_of_training_are_remarked(usual):
    far = Dataset(usual.data.x * 1000, "far.npy")
    remarks = Measured.of(replace(usual, data=far)).finding.remarks
    assert any("far beyond the range of the training rows" in remark for remark in remarks)


def test_pca_of_the_measured_rows_is_not_held_against_the_model_in_silence(usual):
    alone = replace(usual, model=replace(usual.model, pca=None))
    remarks = Measured.of(alone).finding.remarks
    assert any("learnt from these very rows" in remark for remark in remarks)


def of_classes(confusion, labels=("a", "b")):
    confusion = np.array(confusion)
    rows, right = confusion.sum(axis=1), np.diag(confusion)
    recall = right / rows
    classes = [
        ClassFigures(label, int(n), 1.0, float(share), 1.0)
        for label, n, share in zip(labels, rows, recall, strict=True)
    ]
    total = rows.sum()
    return ClassifierFigures(
        int(total),
        6,
        float(right.sum() / total),
        float(recall.mean()),
        0.5,
        float(rows.max() / total),
        confusion.tolist(),
        classes,
    )


@pytest.mark.parametrize(
    ("confusion", "grade", "words"),
    [
        ([[48, 2], [1, 49]], "good", "right about 97.0% of these rows"),
        ([[35, 15], [15, 35]], "poor", "not much more often than always naming the most frequent"),
        ([[90, 0], [10, 0]], "bad", "hardly more often than always naming"),
        ([[10, 80], [5, 5]], "bad", "less often than always naming"),
    ],
)
def test_a_classifier_is_held_against_naming_the_largest_class(usual, confusion, grade, words):
    classification = Classification(np.array(["a", "b"]), FinetuneConfig(epochs=0))
    own = replace(usual, model=replace(usual.model, classification=classification))
    found = finding.of_classifier(own, of_classes(confusion), ())
    assert found.grade == grade
    assert words in found.headline
    if grade == "good":
        assert found.advice is None
    else:
        assert found.advice.startswith("training the whole network (epochs, now 0)")


def test_the_hardest_class_is_named_with_what_it_is_taken_for(usual):
    figures = of_classes([[9, 1, 0], [0, 10, 0], [1, 4, 5]], ("a", "b", "c"))
    (remark,) = finding.of_classifier(usual, figures, ()).remarks
    plain = remark.translate(dict.fromkeys((0x2068, 0x2069)))
    assert plain.startswith("Hardest is class c: 50.0% of its 10 rows are recognised")
    assert plain.endswith("most often taken for b.")
