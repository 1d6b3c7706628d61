"""Characters show what a picture says: its words, and its numbers by where and how they stand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len

from gpuae.errors import ConfigError
from gpuae.pictures.picture import (
    Axes,
    Bars,
    Histogram,
    Level,
    Lines,
    Picture,
    Points,
    Profiles,
    Series,
    Tiles,
)
from gpuae.plots.characters import canvas, text
from gpuae.plots.characters.canvas import thinned
from gpuae.plots.characters.pixels import resized
from gpuae.plots.characters.plainer import writable
from gpuae.plots.characters.ticks import decades, ticks

STRANGE = "\x1b[31m<script>\u200f\n\t$x_1$ 漢字 🎉 " + "long " * 40
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TRUE = 2**24
RANDOM = np.random.default_rng(0)
EPOCHS = np.arange(1.0, 31.0)
AXES = Axes("across", "up")


def shown(panel, width=80, **options):
    """Return the lines of a panel by itself."""
    picture = Picture("whole", (panel,), "what is seen", across=1)
    return text(picture, width, **options).split("\n")


def plain(lines):
    return [COLOUR.sub("", line) for line in lines]


def counted(lines, character):
    return sum(line.count(character) for line in lines)


def one_of_each(word):
    """Return a panel of each kind whose words are all the same."""
    axes, x = Axes(word, word), np.linspace(400.0, 700.0, 30)
    series = (Series(word, EPOCHS, 1 / EPOCHS), Series(word, EPOCHS, 2 / EPOCHS, "faint"))
    cloud = Points(word, axes, *RANDOM.normal(size=(2, 50)))
    images = RANDOM.random((7, 8, 8))
    small = Profiles(word, axes, x, RANDOM.normal(size=(2, 5, 30)), 2, (word, word), (word,) * 5)
    return {
        "lines": Lines(word, axes, series, (Level(word, 0.5), Level(word, 3.0, "x"))),
        "log": Lines(word, replace(axes, log_x=True, log_y=True), series),
        "bars": Bars(word, axes, (word, "b"), np.array([[1.0, -2.0], [3.0, np.nan]]), (word, word)),
        "histogram": Histogram(word, axes, np.arange(4.0), np.array([[1.0, 0.0, 5.0]]), (word,)),
        "histograms": Histogram(word, axes, np.arange(3.0), np.ones((2, 2)), (word, word)),
        "points": cloud,
        "groups": replace(cloud, groups=np.arange(50) % 2, names=(word, "b")),
        "values": replace(cloud, values=np.arange(50.0), colour=word),
        "tiles": Tiles(word, images, 4, (word,) * 7, scale=word),
        "rows": Tiles(word, images[:6], 3, rows=(word, "b")),
        "colours": Tiles(word, RANDOM.random((3, 5, 9, 3)), 2),
        "curves": small,
        "own scales": replace(small, shared=False),
        "small bars": replace(small, bars=True, names=(word,) * 30),
    }


KINDS = list(one_of_each(""))
NOTHING = {
    "lines": Lines("", AXES, ()),
    "missing": Lines("", AXES, (Series("", EPOCHS, np.full(30, np.nan)),)),
    "one value": Lines("", AXES, (Series("", np.array([1.0]), np.array([0.0])),)),
    "bars": Bars("", AXES, (), np.empty((1, 0))),
    "zeros": Bars("", AXES, ("a",), np.zeros((1, 1))),
    "histogram": Histogram("", AXES, np.array([0.0, 1.0]), np.zeros((1, 1))),
    "points": Points("", AXES, np.empty(0), np.empty(0)),
    "groups": Points("", AXES, np.empty(0), np.empty(0), np.empty(0, np.int64), ("a",)),
    "values": Points("", AXES, np.empty(0), np.empty(0), values=np.empty(0)),
    "tiles": Tiles("", np.empty((0, 2, 2)), 1),
    "missing tile": Tiles("", np.full((1, 2, 2), np.nan), 1),
    "profiles": Profiles("", AXES, np.arange(3.0), np.empty((1, 0, 3)), 1),
}


# Everything


@pytest.mark.parametrize("colours", [0, 256, TRUE])
@pytest.mark.parametrize("width", [24, 80, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_no_line_is_wider_than_there_is_room(kind, width, colours):
    lines = shown(one_of_each(STRANGE)[kind], width, colours=colours)
    assert max(cell_len(line) for line in plain(lines)) <= width


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_steers_a_terminal_but_colours_where_there_are_some(kind):
    panel = one_of_each(STRANGE)[kind]
    assert "".join(shown(panel)).isprintable()
    coloured = "".join(shown(panel, colours=256))
    assert COLOUR.search(coloured)
    assert COLOUR.sub("", coloured).isprintable()


@pytest.mark.parametrize("kind", KINDS)
def test_words_stand_there(kind):
    drawn = "\n".join(shown(one_of_each("Größe")[kind], 120))
    assert drawn.startswith("whole\n")
    assert "Größe" in drawn


@pytest.mark.parametrize("panel", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("colours", [0, 256, TRUE])
def test_nothing_can_be_drawn_too(panel, colours):
    assert shown(panel, colours=colours)


def test_notes_are_said_and_panels_stand_side_by_side_where_there_is_room():
    panels = tuple(Lines(title, AXES, ()) for title in ("one", "two"))
    picture = Picture("both", panels, "", ("rows were sampled",))
    wide, narrow = (text(picture, width).split("\n") for width in (130, 80))
    assert [line.split() for line in wide if "one" in line] == [["one", "two"]]
    assert [line for line in narrow if "one" in line] == ["one"]
    assert wide[-1] == narrow[-1] == "note: rows were sampled"


def test_without_plotext_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'gpuae[plot]'")):
        shown(Lines("", AXES, ()))


@pytest.mark.parametrize("colours", [0, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_drawn_can_be_written_in_ascii_if_need_be(kind, colours):
    drawn = "\n".join(shown(one_of_each("word")[kind], colours=colours))
    assert writable(drawn, "utf-8") == drawn
    for encoding in ("ascii", "latin-1"):
        plain = writable(drawn, encoding)
        assert plain.isascii()
        assert [cell_len(own) for own in plain.split("\n")] == [
            cell_len(own) for own in drawn.split("\n")
        ]


# Curves, histograms, points


def canvas_of(lines):
    """Return what stands within the frame of the first chart."""
    top = next(place for place, line in enumerate(lines) if line.lstrip().startswith("┌"))
    bottom = next(place for place, line in enumerate(lines) if line.lstrip().startswith("└"))
    left = lines[top].index("┌") + 1
    return [line[left:-1] for line in lines[top + 1 : bottom]]


def test_a_curve_rises_from_left_to_right_and_leaves_a_gap_where_a_value_is_missing():
    y = np.where(EPOCHS == 15, np.nan, EPOCHS)
    inside = canvas_of(shown(Lines("", AXES, (Series("", EPOCHS, y),))))
    tops = [min((row for row, line in enumerate(inside) if line[at] != " "), default=None)
            for at in range(len(inside[0]))]  # fmt: skip
    known = [top for top in tops if top is not None]
    assert known == sorted(known, reverse=True)
    assert (known[0], known[-1]) == (len(inside) - 1, 0)
    assert None in tops[len(tops) // 3 : 2 * len(tops) // 3]


def test_levels_cross_the_chart_where_they_are_and_say_their_value():
    levels = (Level("half", 0.5), Level("PCA: 3", 3.0, "x"))
    lines = shown(
        Lines("", AXES, (Series("", np.array([0.0, 6.0]), np.array([0.0, 1.0])),), levels)
    )
    inside = canvas_of(lines)
    assert inside[len(inside) // 2].count("╌") > 60
    assert all(line[len(line) // 2] in "│╌⠤⠒⠔⠊⠉⣀⡠⠠" for line in inside)
    assert any("╌╌ half (0.5)   │ PCA: 3" in line for line in lines)


def test_curves_differ_without_colours_and_the_legend_says_which_is_which():
    series = tuple(Series(name, EPOCHS, EPOCHS * k) for k, name in ((1, "loss"), (2, "val_loss")))
    lines = shown(Lines("", AXES, series))
    assert any("⠒⠒ loss   x val_loss" in line for line in lines)
    assert counted(canvas_of(lines), "x") > 20
    coloured = shown(Lines("", AXES, series), colours=256)
    assert counted(canvas_of(plain(coloured)), "x") == 0


def test_what_a_logarithm_does_not_have_is_left_out():
    panel = Lines("", Axes("", "", log_y=True), (Series("", EPOCHS, EPOCHS - 15),))
    inside = canvas_of(shown(panel))
    assert all(line[: len(line) // 3].isspace() for line in inside)


def test_a_histogram_is_as_high_as_its_counts():
    panel = Histogram("", AXES, np.array([0.0, 1.0, 2.0, 3.0]), np.array([[7.0, 0.0, 14.0]]))
    inside = canvas_of(shown(panel))
    third = len(inside[0]) // 3
    low, none, high = (sum(line[at] != " " for line in inside) for at in (10, third + 10, -10))
    assert (none, high) == (0, len(inside))
    assert low == pytest.approx(high / 2, abs=1)


def test_bins_of_a_logarithmic_axis_stand_where_the_axis_says():
    edges = np.geomspace(1.0, 10_000.0, 5)
    panel = Histogram("", Axes("", "", log_x=True), edges, np.array([[1.0, 0.0, 0.0, 0.0]]))
    bottom = canvas_of(shown(panel))[-1]
    assert len(bottom.rstrip()) == pytest.approx(len(bottom) / 4, abs=2)


def test_a_character_shows_the_group_that_has_most_points_there():
    x = np.array([0.0, 0.0, 0.0, 1.0])
    groups = np.array([1, 1, 0, 0])
    panel = Points("", AXES, x, x, groups, ("7", "3"))
    inside = canvas_of(shown(panel))
    assert (counted(inside, "3"), counted(inside, "7")) == (1, 1)
    assert inside[-1][0] == "3"
    assert inside[0][-1] == "7"


def test_groups_without_letters_of_their_own_get_some():
    panel = Points("", AXES, *RANDOM.random((2, 9)), np.arange(9) % 3, ("red", "rose", "漢"))
    assert any("a red   b rose   c 漢" in line for line in shown(panel))


def test_values_are_shown_from_low_to_high():
    x = np.linspace(0.0, 1.0, 200)
    inside = canvas_of(shown(Points("", AXES, x, np.zeros(200), values=x, colour="pH")))
    digits = "".join("".join(inside).split())
    assert digits == "".join(sorted(digits))
    assert set(digits) == set("01234567")


# Bars and small plots


def test_bars_are_as_long_as_their_values_and_negative_ones_lie_to_the_left():
    panel = Bars("", AXES, ("a", "漢字", "c"), np.array([[2.0, 1.0, -1.0]]))
    long, short, negative = (line for line in shown(panel, 60) if "█" in line)
    assert long.count("█") == pytest.approx(2 * short.count("█"), abs=1)
    assert negative.count("█") == pytest.approx(short.count("█"), abs=1)
    zero = cell_len(long[: long.index("█")])
    assert cell_len(short[: short.index("█")]) == zero  # a name of wide characters moves nothing
    assert cell_len(negative[: negative.rindex("█") + 1]) == zero
    assert [line.split()[-1] for line in (long, short, negative)] == ["2", "1", "-1"]


def test_small_plots_share_a_scale_or_say_their_own():
    x = np.arange(10.0)
    panel = Profiles("", AXES, x, np.stack([[x, x / 10]]), 2, captions=("a", "b"))
    lines = shown(panel)
    assert "across: across from 0 to 9; up: up from 0 to 9" in lines
    own = shown(replace(panel, shared=False))
    assert any("a [0, 9]" in line and "b [0, 0.9]" in line for line in own)

    def used(lines):
        return sum(any("⠀" < own <= "⣿" for own in line[26:]) for line in lines)

    assert used(lines) < used(own)


def test_small_plots_go_from_their_first_column_to_their_last():
    y, x = np.geomspace(1, 100, 30), np.linspace(4000, 400, 30)
    falling = shown(Profiles("", AXES, x, y[None, None], 1))
    rising = shown(Profiles("", AXES, x[::-1], y[None, None], 1))
    assert "across: across from 4000 to 400; up: up from 1 to 100" in falling
    assert falling[:4] == rising[:4]


def test_a_long_curve_keeps_its_lowest_and_highest_values():
    y = np.zeros(10_000)
    y[1234], y[7777] = 9.0, -9.0
    x, thin = thinned(np.arange(10_000.0), y, 100)
    assert (len(x), thin.max(), thin.min()) == (200, 9.0, -9.0)
    assert x[thin.argmax()] == pytest.approx(1234, abs=100)


# Images


def pixels(lines):
    """Return the red of each pixel, and None where there is none, of lines in all colours."""
    rows = []
    for line in lines:
        upper, lower = [], []
        for codes, run in re.findall(r"\x1b\[([0-9;]+)m(▀+)\x1b\[0m", line):
            reds = [int(red) for red in re.findall(r"[34]8;2;(\d+);", codes)]
            upper += [reds[0]] * len(run)
            lower += [reds[1]] * len(run)
        rows += [upper, lower]
    return rows


def test_a_small_image_is_shown_pixel_by_pixel():
    image = np.linspace(0.0, 1.0, 32 * 32).reshape(1, 32, 32)
    lines = [line for line in shown(Tiles("", image, 1), colours=TRUE) if "▀" in line]
    np.testing.assert_array_equal(pixels(lines), np.round(image[0] * 255))


def test_colours_are_red_green_and_blue():
    image = np.zeros((1, 32, 32, 3))
    image[..., 1] = 1.0
    (line, *_) = (line for line in shown(Tiles("", image, 1), colours=TRUE) if "▀" in line)
    assert line == f"\x1b[38;2;0;255;0;48;2;0;255;0m{'▀' * 32}\x1b[0m"
    (line, *_) = (line for line in shown(Tiles("", image, 1), colours=256) if "▀" in line)
    assert line == f"\x1b[38;5;46;48;5;46m{'▀' * 32}\x1b[0m"


def test_where_there_is_nothing_there_is_no_colour():
    image = np.full((1, 32, 32), np.nan)
    image[0, ::2, :16] = 1.0
    lines = [line for line in shown(Tiles("", image, 1), colours=256) if "▀" in line]
    assert lines == [f"\x1b[38;5;231m{'▀' * 16}\x1b[0m"] * 16


def test_without_colours_brighter_pixels_are_denser_characters():
    image = np.tile(np.linspace(0.0, 1.0, 32), (1, 32, 1))
    (line, *_) = (line for line in shown(Tiles("", image, 1)) if line.endswith("@"))
    assert list(line) == sorted(line, key=" .:-=+*#%@".index)


def test_without_colours_the_middle_of_a_signed_image_is_empty():
    image = np.zeros((1, 32, 32))
    image[0, :, :2], image[0, :, -2:] = -1.0, 1.0
    lines = shown(Tiles("", image, 1, low=-1.0, high=1.0))
    assert f"OO{' ' * 28}##" in lines


@pytest.mark.parametrize("size", [(3, 5), (16, 16), (7, 40)])
def test_another_size_keeps_the_mean(size):
    image = RANDOM.random((8, 9))
    assert resized(image, *size).mean() == pytest.approx(image.mean())


def test_all_images_are_shown_or_it_is_said_how_many():
    few, many = (Tiles("", RANDOM.random((count, 28, 28)), 8) for count in (40, 1000))
    assert "are shown here" not in "\n".join(shown(few))
    lines = shown(many)
    (said,) = (line for line in lines if "are shown here" in line)
    assert re.fullmatch(r"\d+ of 1,000 are shown here; -o FILE shows all", said)
    assert len(lines) < 70


def test_the_forms_of_a_row_stay_below_one_another():
    captions = tuple(f"{form}{number}" for form in "xy" for number in range(12))
    panel = Tiles("", RANDOM.random((24, 28, 28)), 12, captions, rows=("original", "made"))
    order = re.findall(r"\b[xy]\d+\b", "\n".join(shown(panel)))
    first = order.index("y0")
    assert order[: 2 * first] == [f"{form}{n}" for form in "xy" for n in range(first)]
    names = [line.split()[0] for line in shown(panel) if re.match("original|made", line)]
    assert names[:4] == ["original", "made", "original", "made"]


# Axes


@pytest.mark.parametrize(
    ("low", "high", "whole", "words"),
    [
        (0.0, 1.0, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (1.0, 3.0, True, ["1", "2", "3"]),
        (0.0, 60_000.0, True, ["0", "20,000", "40,000", "60,000"]),
        (-0.03, 0.03, False, ["-0.02", "0.00", "0.02"]),
    ],
)
def test_ticks_are_round_numbers(low, high, whole, words):
    places, told = ticks(low, high, 6, whole=whole)
    assert told == words
    assert [float(word.replace(",", "")) for word in told] == pytest.approx(places)


@pytest.mark.parametrize("low", [-1e9, -3.0, 0.0, 1e-9, 123.456])
@pytest.mark.parametrize("span", [1e-7, 0.37, 5.0, 1e12])
def test_ticks_are_within_and_can_be_told_apart(low, span):
    places, words = ticks(low, low + span, 6, whole=False)
    assert len(places) <= 6
    assert all(low - span / 1e6 <= place <= low + span * 1.000001 for place in places)
    if abs(low) < 1e6 * span:
        assert len(set(words)) == len(places) > 0


def test_decades_are_powers_of_ten_and_what_lies_between_where_they_are_few():
    assert decades(-3.0, 3.0, 4)[1] == ["0.01", "1", "100"]
    assert decades(-1.0, 1.0, 6)[1] == ["0.1", "1", "10"]
    assert decades(0.0, np.log10(4), 6)[1] == ["1", "2", "3", "4"]
