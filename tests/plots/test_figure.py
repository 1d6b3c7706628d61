"""What is drawn by matplotlib is what a picture holds, with its words as they are."""

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

mpl = pytest.importorskip("matplotlib")

# ruff: noqa: E402
from drawn_panels import KINDS, ODD_TEXT, WORDS, X, panel_of, picture_of, texts_of

from gpuae.errors import ConfigError, OutputError
from gpuae.pictures.picture import Axes, Bars, Histogram, Lines, Points, Profiles, Series, Tiles
from gpuae.plots.figure import ENDINGS, check, draw, save

LOGARITHMIC = Axes("across", "up", log_x=True, log_y=True)


def axes_of(panel, **others):
    """Draw a panel and return its axes, with everything in its place."""
    figure = draw(picture_of(panel, **others))
    figure.draw_without_rendering()
    return figure.axes[0]


def labels_of(axes):
    return [own.get_text() for own in axes.get_legend().get_texts()]


# The numbers


def test_lines_go_through_their_points():
    y = np.array([3.0, np.nan, 1.0, 2.0, 5.0])
    axes = axes_of(Lines("", WORDS, (Series("a", X, y), Series("b", X, -y, "points"))))
    first, second = axes.lines
    np.testing.assert_array_equal(first.get_xydata(), np.column_stack([X, y]))
    np.testing.assert_array_equal(second.get_ydata(), -y)
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "None")
    assert labels_of(axes) == ["a", "b"]


def test_a_point_that_no_line_reaches_is_marked():
    y = np.array([3.0, np.nan, 1.0, 2.0, np.nan])
    (line,) = axes_of(Lines("", WORDS, (Series("a", X, y),))).lines
    assert (line.get_marker(), line.get_markevery()) == ("o", [0])


def test_levels_are_dashed_and_labelled():
    axes = axes_of(panel_of("lines", "level"))
    _, level, upright = axes.lines
    assert set(level.get_ydata()) == {0.5}
    assert set(upright.get_xdata()) == {1.0}
    assert len({"-", level.get_linestyle(), upright.get_linestyle()}) == 3
    assert labels_of(axes) == ["level"] * 3


@pytest.mark.parametrize("count", [9, 20, 30])
def test_many_curves_can_be_told_apart_or_are_others(count):
    series = tuple(Series(f"{number}", X, X + number) for number in range(count))
    axes = axes_of(Lines("", WORDS, series))
    looks = {(own.get_color(), own.get_linestyle()) for own in axes.lines}
    assert len(looks) == min(count, 21)
    assert labels_of(axes)[20:] == ["10 others"] * (count > 20)


def test_a_logarithmic_axis_leaves_out_what_is_not_positive():
    y = np.array([0.0, -1.0, 0.01, 10.0, 1000.0])
    axes = axes_of(Lines("", LOGARITHMIC, (Series("a", X, y),)))
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [np.nan, np.nan, *y[2:]])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert {"0.01", "1,000"} <= {own.get_text() for own in axes.get_yticklabels()}


def test_bars_lie_from_the_first_name_down():
    values = np.array([[1.0, -2.0, np.nan], [4.0, 5.0, 6.0]])
    axes = axes_of(Bars("", WORDS, ("a", "b", "c"), values, ("one", "two")))
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    np.testing.assert_array_equal(widths, values)
    assert [own.get_text() for own in axes.get_yticklabels()] == ["a", "b", "c"]
    bottom, top = axes.get_ylim()
    assert bottom > len(values[0]) - 1
    assert top < 0
    assert labels_of(axes) == ["one", "two"]


def test_a_histogram_has_its_counts():
    counts = np.array([[1.0, 2.0, 0.0, 4.0], [3.0, 3.0, 3.0, 3.0]])
    axes = axes_of(Histogram("", WORDS, X, counts, ("one", "two")))
    for steps, own in zip(axes.patches[::2], counts, strict=True):
        np.testing.assert_array_equal(steps.get_data().values, own)
        np.testing.assert_array_equal(steps.get_data().edges, X)
    assert labels_of(axes) == ["one", "two"]


@pytest.mark.parametrize("count", [3, 9, 20, 30])
def test_points_have_the_colour_and_the_mark_of_their_group(count):
    groups = np.arange(60) % count
    x, y = np.random.default_rng(0).normal(size=(2, 60))
    names = tuple(f"group {number}" for number in range(count))
    axes = axes_of(Points("", WORDS, x, y, groups, names))
    looks = {}
    for number, cloud in enumerate(axes.collections):
        colours = np.broadcast_to(cloud.get_facecolors(), (len(cloud.get_offsets()), 4))
        for place, colour in zip(cloud.get_offsets(), colours, strict=True):
            (own,) = np.flatnonzero((x == place[0]) & (y == place[1]))
            looks.setdefault(groups[own], set()).add((number, tuple(colour)))
    assert len(looks) == count
    assert all(len(own) == 1 for own in looks.values())
    assert len(set.union(*looks.values())) == min(count, 21)
    named = [f"group {number}" for number in range(min(count, 20))]
    assert labels_of(axes) == named + ["10 others"] * (count > 20)


def test_points_of_no_group_are_named_so():
    groups = np.array([0, 0, 1, 1, -1])
    assert labels_of(axes_of(Points("", WORDS, X, X, groups, ("a", "b"))))[2:] == ["no group"]


def test_values_of_points_have_a_scale_with_a_label():
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    axes = axes_of(Points("", WORDS, X, X, values=values, colour="error"))
    unknown, known = axes.collections
    np.testing.assert_array_equal(known.get_array(), [1, 2, 4, 5])
    np.testing.assert_array_equal(unknown.get_offsets(), [[2, 2]])
    assert axes.child_axes[0].get_ylabel() == "error"
    assert labels_of(axes) == ["no value"]


@pytest.mark.parametrize("side", [1, 4, 8, 28])
def test_tiles_lie_in_rows_from_black_to_white(side):
    images = np.random.default_rng(0).normal(size=(5, side, side))
    images[1, 0, 0] = np.nan
    axes = axes_of(Tiles("", images, 3, low=-2.0, high=3.0))
    (image,) = axes.images
    assert image.get_clim() == (-2.0, 3.0)
    assert image.get_cmap().name == "gray"
    whole = np.ma.filled(image.get_array(), np.nan)
    large = max(1, 24 // side)  # times that a pixel of a small image is repeated
    gap = (whole.shape[0] - 2 * side * large, whole.shape[1] - 3 * side * large)
    assert gap[0] * 2 == gap[1] > 0
    for number, own in enumerate(images):
        top, left = ((side * large + gap[0]) * place for place in divmod(number, 3))
        tile = whole[top : top + side * large, left : left + side * large]
        np.testing.assert_array_equal(tile, own.repeat(large, 0).repeat(large, 1))


def test_colours_of_tiles_are_cut_off_beyond_black_and_white():
    images = np.array([[[[-1.0, 5.0, 11.0]]], [[[np.nan, 5.0, 5.0]]]])
    colours = axes_of(Tiles("", images, 1, low=0.0, high=10.0)).images[0].get_array()
    np.testing.assert_allclose(colours[0, 0], [0.0, 0.5, 1.0, 1.0])
    assert (colours[-1, -1, 3], len(colours) > 2) == (0.0, True)


def test_tiles_have_captions_below_and_rows_named_at_their_left():
    axes = axes_of(
        Tiles("", np.ones((4, 9, 9)), 2, ("a", "b", "c", "d"), ("up", "down"), scale="grey: 0")
    )
    assert [own.get_text() for own in axes.texts] == ["grey: 0", "a", "b", "c", "d"]
    ends = [own.get_position()[1] for own in axes.texts[1:]]
    assert ends[0] == ends[1] < ends[2]
    assert [own.get_text() for own in axes.get_yticklabels()] == ["up", "down"]


def value_at(ticks, places):
    """Return the values at places of an axis whose ticks say which are where."""
    at = [tick.get_loc() for tick in ticks]
    named = [float(tick.label1.get_text().replace("−", "-").replace(",", "")) for tick in ticks]
    slope, offset = np.polyfit(at, named, 1)
    return slope * places + offset


def test_profiles_show_their_curves_over_shared_axes():
    values = np.random.default_rng(0).normal(size=(2, 4, 50))
    x = np.linspace(1000, 2500, 50)
    axes = axes_of(Profiles("", WORDS, x, values, 2, ("a", "b"), ("u0", "u1", "u2", "u3")))
    corner = 2  # the plot that has the ticks
    for line, own in zip(axes.lines, values, strict=True):
        across, down = (part.reshape(4, -1)[:, :-1] for part in line.get_data())
        found = value_at(axes.yaxis.get_major_ticks(), down[corner])
        np.testing.assert_allclose(found, own[corner], atol=1e-9)
        found = value_at(axes.xaxis.get_major_ticks(), across[corner])
        np.testing.assert_allclose(found, x)
        one_up = down[corner, 0] - down[corner, 1]
        scale = one_up / (own[corner, 1] - own[corner, 0])
        np.testing.assert_allclose(-np.diff(down), scale * np.diff(own), atol=1e-9)
        np.testing.assert_allclose(across - across[:, :1], across[[0]] - across[0, 0] + 0 * across)
    assert [own.get_text() for own in axes.texts] == ["u0", "u1", "u2", "u3"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("across", "up")
    assert labels_of(axes) == ["a", "b"]


@pytest.mark.parametrize("ends", [(400, 4000), (4000, 400)])
def test_profiles_go_from_their_first_column_to_their_last(ends):
    x = np.linspace(*ends, 50)
    axes = axes_of(Profiles("", WORDS, x, x[None, None] / 100, 1))
    across = axes.lines[0].get_xdata()[:-1]
    assert (np.diff(across) > 0).all()
    np.testing.assert_allclose(value_at(axes.xaxis.get_major_ticks(), across), x)


def test_profiles_with_scales_of_their_own_fill_their_plots_and_say_so():
    values = np.stack([X, 100 * X])[None]
    axes = axes_of(Profiles("", WORDS, X, values, 2, shared=False))
    down = axes.lines[0].get_ydata().reshape(2, -1)[:, :-1]
    np.testing.assert_allclose(down[0], down[1])
    assert " ".join(axes.get_ylabel().split()) == "up (each plot has a scale of its own)"


def test_profiles_of_both_signs_have_a_line_at_zero():
    def zeros(values):
        axes = axes_of(Profiles("", WORDS, X, values[None], 2, shared=False))
        return len(axes.collections[1].get_segments())

    assert zeros(np.stack([X - 2, X + 1, 2 - X])) == 2


def test_bars_of_profiles_begin_at_zero_and_names_stand_at_each_row():
    values = np.random.default_rng(0).normal(size=(1, 4, 3))
    names = ("height", "weight", "age")
    axes = axes_of(Profiles("", WORDS, np.arange(3.0), values, 2, names=names, bars=True))
    boxes = np.array([path.vertices[:4] for path in axes.collections[1].get_paths()])
    ends = boxes.reshape(4, 3, 4, 2)[2, :, :2, 0]  # the plot in the corner that has the ticks
    found = value_at(axes.xaxis.get_major_ticks(), ends)
    np.testing.assert_allclose(found, np.column_stack([np.zeros(3), values[0, 2]]), atol=1e-9)
    said = [own.get_text() for own in [*axes.get_yticklabels(), *axes.texts]]
    assert said == [*names, *names]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("up", "across")


@pytest.mark.parametrize(
    "panel",
    [
        Tiles("", np.ones((1000, 4, 4)), 32, tuple(map(str, range(1000)))),
        Profiles("", WORDS, X, np.ones((1, 1000, 5)), 32),
    ],
    ids=["tiles", "profiles"],
)
def test_a_thousand_small_pictures_share_their_axes(panel):
    assert len(draw(picture_of(panel)).axes) == 1


# Words

OFTEN = ("mathematics", "long", "control")
"""Texts that the quick tests draw."""


@pytest.mark.parametrize(
    "name", [own if own in OFTEN else pytest.param(own, marks=pytest.mark.long) for own in ODD_TEXT]
)
def test_odd_text_is_drawn_without_markup_and_none_is_cut(name):
    words = ODD_TEXT[name]
    panels = [panel_of(kind, words) for kind in KINDS]
    figure = draw(picture_of(*panels, title=words, notes=(words,), across=3))
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    for text in texts_of(figure):
        assert not text.get_parse_math()
        assert all(line.isprintable() for line in text.get_text().split("\n"))
        place = text.get_window_extent()
        assert -2 <= place.x0 <= place.x1 <= width + 2, text
        assert -2 <= place.y0 <= place.y1 <= height + 2, text


def test_text_is_shown_as_it_is():
    words = "<b>$x_1$</b> & 'c'"
    figure = draw(picture_of(panel_of("lines", words), title=words + "!", notes=(words,)))
    said = [own.get_text() for own in texts_of(figure)]
    assert said.count(words) == 7  # title, both axes, three labels, note
    assert said.count(words + "!") == 1


def test_a_long_name_keeps_its_beginning_and_its_end():
    names = (f"begin{'x' * 200}end", "b")
    axes = axes_of(Bars("", WORDS, names, np.ones((1, 2))))
    shown = axes.get_yticklabels()[0].get_text()
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert "…" in shown
    assert len(shown) < 60


def test_panels_stand_in_rows_with_title_and_notes():
    panels = [replace(panel_of("lines"), title=f"panel {number}") for number in range(5)]
    figure = draw(picture_of(*panels, across=3, notes=("first", "second")))
    figure.draw_without_rendering()
    places = [own.get_position() for own in figure.axes]
    rows = [round(own.y0, 3) for own in places]
    assert rows[0] == rows[1] == rows[2] > rows[3] == rows[4]
    assert figure.get_suptitle() == "A picture"
    assert figure.get_supxlabel() == "first\nsecond"
    assert [own.get_title(loc="left") for own in figure.axes] == [own.title for own in panels]


def test_a_title_is_not_said_twice():
    figure = draw(picture_of(panel_of("lines", "same"), title="same"))
    assert figure.get_suptitle() == ""


def test_panels_have_the_size_of_their_content():
    few, many = (
        draw(picture_of(Bars("", WORDS, ("name",) * count, np.ones((1, count)))))
        for count in (5, 40)
    )
    assert many.get_figheight() - few.get_figheight() == pytest.approx(35 * 0.17, abs=0.4)
    tiles = Tiles("", np.ones((64, 28, 28)), 8)
    axes = axes_of(tiles)
    pixels = axes.get_window_extent().width / axes.images[0].get_array().shape[1]
    assert pixels == pytest.approx(round(pixels), abs=0.01)
    assert pixels >= 1


# Little to show


@pytest.mark.parametrize(
    "panel",
    [
        Lines("", WORDS, ()),
        Lines("", LOGARITHMIC, (Series("a", X, -X),)),
        Lines("", WORDS, (Series("a", X, np.full(5, np.nan)),)),
        Bars("", WORDS, (), np.ones((1, 0))),
        Bars("", LOGARITHMIC, ("a",), np.zeros((1, 1))),
        Histogram("", LOGARITHMIC, X, np.zeros((1, 4))),
        Histogram("", WORDS, np.full(5, np.nan), np.ones((1, 4))),
        Points("", LOGARITHMIC, -X, X),
        Points("", WORDS, X[:0], X[:0], np.zeros(0, np.int64), ("a",)),
        Tiles("", np.full((2, 3, 3), np.nan), 2),
        Tiles("", np.ones((0, 3, 3)), 2),
        Profiles("", WORDS, X, np.full((1, 2, 5), np.nan), 2),
        Profiles("", WORDS, X, np.ones((1, 0, 5)), 2, bars=True),
    ],
)
def test_a_panel_without_anything_says_so(panel):
    axes = axes_of(panel)
    assert [own.get_text() for own in axes.texts] == ["nothing to show"]


@pytest.mark.parametrize(
    "panel",
    [
        Lines("", WORDS, (Series("a", X[:1], X[:1]),)),
        Lines("", LOGARITHMIC, (Series("a", X[1:2], X[1:2]),)),
        Histogram("", LOGARITHMIC, X, np.array([[0.0, 1.0, 0.0, np.nan]])),
        Points("", WORDS, X, X, values=np.full(5, np.nan), colour="c"),
        Points("", WORDS, X, X, values=np.ones(5), colour="c"),
        Tiles("", np.ones((1, 1, 700)), 5, low=1.0, high=1.0),
        Profiles("", WORDS, X[:1], np.ones((1, 2, 1)), 2),
        Profiles("", WORDS, X, np.array([[np.full(5, np.nan), X]]), 2, bars=True, shared=False),
        Profiles("", WORDS, X, np.array([[np.full(5, np.inf), X]]), 1, names=("a",) * 5),
    ],
)
def test_a_panel_with_little_is_drawn(panel):
    assert not [own for own in axes_of(panel).texts if own.get_text() == "nothing to show"]


def test_a_picture_without_panels_has_its_words():
    figure = draw(picture_of(title="alone"))
    assert [own.get_text() for own in texts_of(figure)] == ["alone"]


# Files


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "kind", ["tiles", *(pytest.param(own, marks=pytest.mark.long) for own in ("lines", "values"))]
)
def test_the_same_picture_gives_the_same_file(tmp_path, kind, ending):
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    own = picture_of(panel_of(kind), notes=("a note",))
    paths = tmp_path / f"a{ending}", tmp_path / f"b{ending.upper()}"
    for path in paths:
        save(own, path)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert first.startswith(starts[ending])


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt", "svg"])
def test_other_endings_are_refused_with_those_there_are(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.png, \.svg or \.pdf"):
        save(picture_of(panel_of("lines")), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    own = picture_of(panel_of("lines"))
    for refuse in (check, lambda path: save(own, path)):
        with pytest.raises(OutputError, match="exists already"):
            refuse(path)
        assert path.read_text() == "mine"
    save(own, str(path), force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("gpuae.plots.required.find_spec", lambda name: None)
    for attempt in (draw, lambda own: save(own, tmp_path / "a.png")):
        with pytest.raises(ConfigError, match=r"pip install 'gpuae\[plot\]'"):
            attempt(picture_of(panel_of("lines")))


# Notebooks and other people's settings


def test_pyplot_is_not_needed_and_holds_nothing(run_python):
    run_python(
        "import sys, numpy as np\n"
        "from gpuae.pictures.picture import *\n"
        "from gpuae.plots.figure import draw\n"
        "panel = Tiles('', np.ones((2, 3, 3)), 2)\n"
        "assert draw(Picture('', (panel,), ''))._repr_png_().startswith(b'\\x89PNG')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )


def test_a_persons_settings_change_nothing_and_stay():
    own = picture_of(panel_of("lines"), panel_of("tiles"))
    usual = draw(own)._repr_png_()
    settings = {"font.size": 30, "axes.facecolor": "red", "text.parse_math": True}
    settings |= {"savefig.dpi": 20, "figure.constrained_layout.use": False, "lines.linewidth": 9}
    with mpl.rc_context(settings):
        assert draw(own)._repr_png_() == usual
        assert mpl.rcParams["font.size"] == 30


def test_a_figure_can_be_kept_and_drawn_on_black():
    light, dark = (draw(picture_of(panel_of("lines")), theme=own) for own in ("light", "dark"))
    assert sum(light.get_facecolor()[:3]) > 2.9
    assert sum(dark.get_facecolor()[:3]) < 0.5
    again = io.BytesIO()
    pickle.loads(pickle.dumps(dark)).savefig(again, format="png")
    assert again.getvalue() == dark._repr_png_()
