"""Counts become logarithms in one total, and come back in their own; targets may be the counts."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae import Autoencoder, encoding
from gpuae.backends.ops import Clock, Rows
from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.evaluation import evaluate
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.counts import (
    check_counts,
    counts_note,
    counts_of_logs,
    logs_of_counts,
    median_total,
)
from gpuae.model.feed import Feed
from gpuae.model.model import Model
from gpuae.model.preprocess import fit_preprocess
from gpuae.model.statistics import column_statistics
from gpuae.model.tile import Tile
from gpuae.storage.kinds.model_contents import first_problem
from gpuae.training.fitting import fit
from gpuae.training.gradcheck import check_gradient
from gpuae.training.history import Silence

FAST = {"scale": "log1p", "hidden": 3, "epochs": 4, "folds": 1, "validation": 0.2, "threads": 1}


def counts(rows=120, columns=9, seed=0):
    """Return two kinds of rows (n, d) whose totals differ by far more than their columns do."""
    random = np.random.default_rng(seed)
    rates = random.lognormal(0, 1, (2, columns))[random.integers(0, 2, rows)]
    x = random.poisson(rates * random.lognormal(2, 1, (rows, 1)))
    x[::40] = 0
    return x.astype(np.uint16)


def expected_logs(x):
    x = x.astype(float)
    sums = x.sum(axis=1, keepdims=True)
    total = np.median(sums[sums > 0])
    return total, np.log1p(np.divide(x * total, sums, out=np.zeros_like(x), where=sums > 0))


def prepared(x, rows=None, **settings):
    config = Config.parse({"hidden": 3, "scale": "log1p", "dtype": "float64", **settings})
    rows = np.arange(len(x)) if rows is None else rows
    return config, fit_preprocess(x, rows, config, column_statistics(x, rows))


def test_rows_become_logarithms_of_shares_of_the_median_total():
    x = counts()
    _, own = prepared(x)
    total, logs = expected_logs(x)
    assert own.total == total
    np.testing.assert_allclose(own.forward(x), logs - logs.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(own.low, (logs - logs.mean(axis=0)).min(axis=0), atol=1e-12)


def test_a_row_in_another_total_is_the_same_row():
    x = counts()
    _, own = prepared(x)
    np.testing.assert_allclose(own.forward(7.5 * x), own.forward(x), atol=1e-12)


def test_counts_come_back_in_the_totals_of_their_rows_or_in_the_median():
    x = counts()
    _, own = prepared(x)
    logs = own.forward(x)
    np.testing.assert_allclose(own.backward(logs, x), x, atol=1e-9)
    filled = x.sum(axis=1) > 0
    np.testing.assert_allclose(own.backward(logs)[filled].sum(axis=1), own.total)
    assert counts_of_logs(np.array([[-0.3, 0.0]]), 5.0).tolist() == [[0, 0]]


def test_the_median_counts_rows_by_their_weights():
    x = np.array([[1.0], [2.0], [10.0], [0.0]])
    assert median_total(x, None, None) == 2
    assert median_total(x, None, np.array([1.0, 1.0, 2.0, 9.0])) == 6
    assert median_total(x, np.array([0, 2]), None) == 5.5
    assert median_total(x[3:], None, None) == 1


@pytest.mark.parametrize("whiten", ["none", "pca"])
@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_a_tile_has_the_logarithms_and_what_is_to_be_made_of_them(ops, loss, whiten):
    if (loss, whiten) == ("poisson", "pca"):
        with pytest.raises(ConfigError, match="loss=poisson needs targets of 0 or more"):
            prepared(counts(), loss=loss, whiten=whiten)
        return
    x = counts()
    config, own = prepared(x, loss=loss, whiten=whiten, output_activation="auto")
    config = config.model_copy(update={"output_activation": "identity"})
    config = config.model_copy(update={"activation": "tanh", "code_activation": "tanh"})
    network = mirrored_autoencoder(config, x.shape[1])
    tile = Tile.allocate(ops, network, config, len(x), training=True)
    feed = Feed.create(ops, x, own, config, noisy=False)
    clock = Clock(np.zeros(4, np.int64), np.zeros(1))
    order = np.arange(len(x))[::-1].copy()
    feed.load(tile, Rows(order, clock, 0, len(x)))
    _, logs = expected_logs(x)
    np.testing.assert_allclose(tile.clean, own.forward(x)[::-1], atol=1e-9)
    wanted = np.expm1(logs[::-1]) if loss == "poisson" else tile.clean
    np.testing.assert_allclose(tile.target, wanted, atol=1e-9)
    part = tile.rows_between(3, 9)
    np.testing.assert_array_equal(part.target, tile.target[3:9])


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_gradients_are_those_of_the_loss(loss, device):
    config = Config.parse({"hidden": (5, 2), "scale": "log1p", "loss": loss, "device": device})
    checked = check_gradient(config, rows=7, columns=6, seed=1)
    assert max(own.error for own in checked) < 1e-6


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_the_figures_are_those_of_the_logarithms_and_of_the_counts(loss, device):
    x = counts()
    model = fit(x, Config.parse(FAST | {"loss": loss, "device": device})).model
    made, logs = np.empty(x.shape), np.empty(x.shape)
    encoding.reconstruct(model, x, encoding.into(made))
    sink = encoding.into(logs)
    encoding.compare(model, x, lambda start, raw, clean, rebuilt: sink(start, rebuilt))
    figures, own = evaluate(model, x), model.preprocess
    np.testing.assert_allclose(own.backward(logs, x), made, atol=1e-3)
    clean = own.forward(x)
    assert figures.preprocessed_mse == pytest.approx(((logs - clean) ** 2).mean(), rel=1e-4)
    assert figures.mse == pytest.approx(((made - x) ** 2).mean(), rel=1e-4)
    assert figures.preprocessed_variance == pytest.approx(clean.var(axis=0).mean(), rel=1e-6)
    if loss == "poisson":
        rates = np.expm1(logs + own.center)
        target = np.expm1(logs_of_counts(x, own.total))
        entropy = np.where(target > 0, target * np.log(np.maximum(target, 1e-9) / rates), 0)
        assert figures.loss == pytest.approx((entropy + rates - target).mean(), rel=1e-3)
        mean = target.mean(axis=0)
        entropy = np.where(target > 0, target * np.log(np.maximum(target, 1e-9) / mean), 0)
        share = 1 - figures.loss / (entropy + mean - target).mean()
        assert figures.explained_loss == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_codes_do_not_depend_on_the_depth_and_decode_in_the_median_total(loss):
    x = counts()[1:40]
    model = Autoencoder(**FAST, loss=loss, init="pca").fit(x)
    codes = model.transform(x)
    np.testing.assert_allclose(codes, model.transform(3 * x), atol=1e-4)
    sums = x.sum(axis=1, keepdims=True)
    made = np.empty(x.shape)
    encoding.reconstruct(model.model_, x, encoding.into(made))
    decoded = model.inverse_transform(codes)
    np.testing.assert_allclose(decoded * sums / model.model_.preprocess.total, made, rtol=1e-3)
    assert made.min() >= 0


def test_the_start_explains_the_deviance_before_the_first_step():
    x = counts(400)
    model = fit(x, Config.parse(FAST | {"loss": "poisson", "epochs": 0})).model
    assert evaluate(model, x).explained_loss > 0.3


def test_a_model_file_keeps_the_total(tmp_path):
    model = fit(counts(), Config.parse(FAST | {"loss": "poisson"})).model
    model.save(tmp_path / "model.h5")
    assert Model.load(tmp_path / "model.h5").preprocess.total == model.preprocess.total
    for total, problem in ((None, "is missing"), (0.0, "is not above 0")):
        broken = replace(model, preprocess=replace(model.preprocess, total=total))
        assert first_problem(broken.contents()) == f"/preprocess/total {problem}"


def test_folds_and_noise_and_weights_and_portions_go_with_counts():
    x = counts()
    noisy = FAST | {"noise": "clipped_gaussian", "noise_level": 0.1, "folds": 3, "validation": None}
    fitted = Autoencoder(**noisy).fit(x, sample_weight=np.arange(len(x)))
    fitted.partial_fit(x)
    with pytest.raises(InputError, match="scale log1p takes counts, of 0 or more"):
        fitted.partial_fit(x - 1.0)
    assert np.isfinite(fitted.score_samples(x)).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"missing": "mean"}, "scale=log1p divides a row by its total, which .* missing values"),
        ({"loss": "bce"}, "loss=bce needs targets in .*scale=log1p"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        Config.parse({"scale": "log1p", **settings})


def test_values_below_0_are_refused_wherever_rows_come_from():
    x = counts().astype(np.float32)
    model = Autoencoder(**FAST).fit(x)
    wrong = x.copy()
    wrong[70, 4] = -2
    with pytest.raises(ConfigError, match=r"scale: log1p takes counts, of 0 or more, .* \[-2"):
        Autoencoder(**FAST).fit(wrong)
    for call in (model.transform, model.score_samples, model.score):
        with pytest.raises(InputError, match=r"column 5 \(counted from 1\) has the value -2"):
            call(wrong)
    with pytest.raises(InputError, match="column 'GATA1' has the value -1"):
        check_counts(np.array([[0.0, -1.0]]), ("CD3E", "GATA1"))


def test_rows_that_look_like_counts_come_with_a_note():
    random = np.random.default_rng(0)
    sparse = random.poisson(random.lognormal(-1, 1, (60, 1)) * np.full(30, 0.7))
    rows = np.arange(60)

    def says(x, **settings):
        return counts_note(Config.parse({"scale": "standard", **settings}), x, rows)

    assert "scale=log1p" in says(sparse)
    assert "scale=log1p" in says(sparse.astype(np.float32))
    assert says(sparse, scale="pooled") is None
    assert says(sparse + 0.5) is None
    assert says(-sparse) is None
    assert says(sparse + 1) is None
    assert says((sparse > 0).astype(int)) is None


def test_the_note_comes_only_where_nobody_chose_the_scale():
    sparse = np.random.default_rng(1).poisson(0.4, (60, 30)).astype(np.uint16)
    sparse[:, 0] *= 50  # columns of ranges of their own
    for chosen in ({}, {"scale": "standard"}):
        said = []
        listener = Silence()
        listener.note = said.append
        fit(
            sparse,
            Config.parse({"hidden": 2, "epochs": 1, "folds": 1, **chosen}),
            observer=listener,
        )
        assert any("scale=log1p" in own for own in said) is not bool(chosen)
