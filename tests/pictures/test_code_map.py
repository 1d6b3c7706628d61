"""Rows on a map by their codes: where they lie, and what colours them."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from test_codes import model_of, sample_of

from gpuae.errors import ConfigError, InputError
from gpuae.pictures.code_map import code_map
from gpuae.pictures.colouring import MOST_GROUPS


@pytest.fixture(scope="module")
def x():
    random = np.random.default_rng(0)
    return random.normal(size=(60, 3)) @ random.normal(size=(3, 5)) + 100


@pytest.fixture(scope="module")
def model(x):
    own = model_of(x, code_activation="identity")
    return replace(own, feature_names=("width", "height", "depth", "<b>mass</b>", "label"))


def with_labels(x, labels):
    return replace(sample_of(x), y=np.array(labels))


def points_of(model, sample, **options):
    (points,) = code_map(model, sample, **options).panels
    return points


def test_places_are_the_first_two_principal_components(model, x):
    points = points_of(model, sample_of(x))
    pca = PCA(2).fit(x)
    signs = np.sign(pca.components_[[0, 1], np.abs(pca.components_).argmax(axis=1)])
    np.testing.assert_allclose(np.column_stack([points.x, points.y]), pca.transform(x) * signs)
    names = (points.axes.x, points.axes.y)
    for name, share in zip(names, pca.explained_variance_ratio_, strict=True):
        assert f"{share:.1%} of the variance" in name


@pytest.mark.parametrize("rows", [3, 4, 30])
def test_fewer_rows_than_units_are_placed_as_well(rows):
    x = np.random.default_rng(1).normal(size=(rows, 40))
    points = points_of(model_of(x, code_activation="identity"), sample_of(x))
    at = np.column_stack([points.x, points.y])
    expected = PCA(2).fit_transform(x)
    np.testing.assert_allclose(at * np.sign((at * expected).sum(axis=0)), expected, atol=1e-9)


def test_two_rows_differ_along_one_axis_alone():
    x = np.random.default_rng(1).normal(size=(2, 40))
    points = points_of(model_of(x, code_activation="identity"), sample_of(x))
    apart = np.linalg.norm(x[0] - x[1])
    np.testing.assert_allclose(np.abs(points.x), apart / 2)
    np.testing.assert_allclose(points.y, 0, atol=1e-9)
    assert points.axes.y == "second component: 0.0% of the variance"


def test_without_a_colour_all_points_are_alike(model, x):
    points = points_of(model, with_labels(x, np.arange(60)))
    assert points.groups is points.values is None


def test_labels_are_groups(model, x):
    points = points_of(model, with_labels(x, ["b", "a", "c"] * 20), colour="label")
    assert points.names == ("a", "b", "c")
    assert points.groups.tolist() == [1, 0, 2] * 20
    assert points.colour == "label"


def test_group_sizes_are_told(model, x):
    picture = code_map(model, with_labels(x, [0.0] * 40 + [2.5] * 20), colour="label")
    assert "by colour label (0: 40, 2.5: 20)" in picture.description


def test_many_numbers_are_a_scale(model, x):
    points = points_of(model, with_labels(x, np.arange(60)), colour="label")
    assert points.groups is None
    np.testing.assert_array_equal(points.values, np.arange(60))


def test_many_texts_are_the_largest_groups_and_others(model, x):
    labels = [f"t{number:02}" for number in range(30)] + ["t29"] * 28 + ["t28"] * 2
    picture = code_map(model, with_labels(x, labels), colour="label")
    (points,) = picture.panels
    assert len(points.names) == MOST_GROUPS
    assert points.names[-3:] == ("t28", "t29", "others")
    assert np.bincount(points.groups).tolist() == [1] * 17 + [3, 29, 11]
    assert "the 11 smallest groups of label are shown as one" in picture.notes


def test_rows_without_a_label_are_a_group_of_their_own(model, x):
    points = points_of(model, with_labels(x, [1.0, np.nan] * 30), colour="label")
    assert points.names == ("1", "no label")
    assert points.groups.tolist() == [0, 1] * 30


@pytest.mark.parametrize("name", ["height", "<b>mass</b>"])
def test_a_column_colours_in_the_units_of_the_data(model, x, name):
    points = points_of(model, sample_of(x), colour=name)
    np.testing.assert_array_equal(points.values, x[:, model.feature_names.index(name)])
    assert points.colour == name


def test_a_column_called_label_is_meant_where_there_are_no_labels(model, x):
    np.testing.assert_array_equal(points_of(model, sample_of(x), colour="label").values, x[:, 4])


def test_nameless_columns_are_counted_from_1(model, x):
    points = points_of(replace(model, feature_names=None), sample_of(x), colour="2")
    np.testing.assert_array_equal(points.values, x[:, 1])
    assert points.colour == "column 2"


def test_rows_that_miss_the_value_are_left_out_and_counted(model, x):
    own = x.copy()
    own[[3, 7], 1] = np.nan
    filled = replace(model, preprocess=replace(model.preprocess, fill=np.full(5, 100.0)))
    picture = code_map(filled, sample_of(own), colour="height")
    (points,) = picture.panels
    assert len(points.x) == len(points.y) == len(points.values) == 58
    assert np.isfinite(points.values).all()
    assert "2 rows without a value of height are not shown" in picture.notes


def test_colour_by_labels_that_are_not_there_is_refused(model, x):
    plain = replace(model, feature_names=None)
    with pytest.raises(InputError, match="colour=label: the rows have no labels; name the column"):
        code_map(plain, sample_of(x), colour="label")


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("heigth", "is it 'height'?"),
        ("labels", "is it 'label'?"),
        ("zzz", "the 5 columns are 'width' to 'label'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_an_offer(model, x, name, offer):
    with pytest.raises(InputError) as refused:
        code_map(model, sample_of(x), colour=name)
    assert str(refused.value) == f"colour: there is no column {name!r}; {offer}"


def test_label_is_offered_where_there_are_labels(model, x):
    plain = replace(model, feature_names=None)
    with pytest.raises(InputError, match=r"there is no column 'labl'; is it 'label'\?"):
        code_map(plain, with_labels(x, np.arange(60)), colour="labl")
    with pytest.raises(InputError, match=r"the 5 columns are '1' to '5'"):
        code_map(plain, sample_of(x), colour="labl")


def test_a_code_of_one_unit_is_drawn_beside_the_number_of_the_row():
    x = np.array([[5.0], [7], [6]])
    own = model_of(x, code_activation="identity")
    sample = replace(sample_of(x), numbers=np.array([10, 20, 30]))
    for method in ("pca", "tsne"):
        if method == "tsne":
            sample = sample.part(np.array([0, 1, 2, 0]))
        points = points_of(own, sample, method=method)
        assert points.x[:3].tolist() == [10, 20, 30]
        assert points.y[:3].tolist() == [5, 7, 6]


@pytest.mark.parametrize(("method", "rows"), [("pca", 1), ("pca", 2), ("pca", 5), ("tsne", 5)])
def test_codes_that_are_all_the_same_lie_in_one_place(model, method, rows):
    picture = code_map(model, sample_of(np.ones((rows, 5))), method=method)
    assert not picture.panels[0].x.any()
    assert "all these rows have the same code" in picture.notes


def test_tsne_is_the_same_each_time_and_tells_groups_apart(model):
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(size=(20, 5)), 50 + random.normal(size=(20, 5))])
    once, again = (points_of(model, sample_of(x), method="tsne") for _ in range(2))
    np.testing.assert_array_equal(once.x, again.x)
    at = np.column_stack([once.x, once.y])
    apart = np.linalg.norm(at[:20].mean(axis=0) - at[20:].mean(axis=0))
    assert apart > 2 * at[:20].std(axis=0).max()
    assert np.isfinite(at).all()


def test_tsne_says_what_its_distances_do_not_mean(model, x):
    picture = code_map(model, sample_of(x[:8]), method="tsne")
    assert "t-SNE keeps neighbours; distances between groups mean little (seed 0)" in picture.notes
    assert "perplexity 2.33" in picture.panels[0].title


def test_umap_is_asked_where_it_is_installed(model, x, monkeypatch):
    asked = {}

    class Reducer:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, code):
            return code[:, :2].astype(np.float32)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Reducer, __spec__="there"))
    points = points_of(model, sample_of(x[:9]), method="umap")
    np.testing.assert_array_equal(points.x, x[:9, 0].astype(np.float32))
    assert asked["n_neighbors"] == 8
    assert asked["random_state"] == 0


def test_without_umap_the_way_to_it_is_named(model, x, monkeypatch):
    monkeypatch.setattr("gpuae.pictures.code_map.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"`pip install umap-learn`, or take method=tsne"):
        code_map(model, sample_of(x), method="umap")


def test_another_method_is_refused(model, x):
    with pytest.raises(ConfigError, match="method: is one of pca, tsne, umap, not 'isomap'"):
        code_map(model, sample_of(x), method="isomap")


def test_too_few_rows_for_tsne_are_refused(model, x):
    with pytest.raises(InputError, match="method=tsne: places 4 rows or more, not 3"):
        code_map(model, sample_of(x[:3]), method="tsne")


def test_data_of_another_width_are_refused(model):
    with pytest.raises(InputError, match="3 columns and the model was trained on 5"):
        code_map(model, sample_of(np.ones((4, 3))), colour="label")
