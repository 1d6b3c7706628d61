import time

import pytest

from gpuae.errors import InputError
from gpuae.importers.column_selection import resolve
from gpuae.importers.columns import Titles
from gpuae.importers.roles import guess_label

NAMES = ("mass", "a", "b", "c:d", "5", "e,f", "last")
TITLES = Titles("rows.csv", 7, NAMES)
NAMELESS = Titles("rows.npy", 7, None)


def columns(text, titles=TITLES):
    return [pick.column for pick in resolve(text, titles)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mass", [0]),
        ("b, mass", [2, 0]),
        ("3", [2]),
        ("2-4", [1, 2, 3]),
        ("2-2", [1]),
        ("a:c:d", [1, 2, 3]),
        ("b:", [2, 3, 4, 5, 6]),
        (":a", [0, 1]),
        ("c:d", [3]),
        ("c:d:last", [3, 4, 5, 6]),
        ('"e,f",a', [5, 1]),
        ("e,f", [5]),
        ("7,1-2", [6, 0, 1]),
    ],
)
def test_columns_are_names_numbers_from_1_and_ranges_of_both(text, expected):
    assert columns(text) == expected


def test_a_number_that_is_the_name_of_its_own_column_is_both():
    assert columns("5") == [4]
    assert columns("5", NAMELESS) == [4]
    assert columns("5-5") == [4]


WAVELENGTHS = Titles("s.csv", 500, tuple(map(str, range(100, 1100, 2))))


@pytest.mark.parametrize(
    ("item", "titles"),
    [
        ("5", Titles("t", 9, tuple("012345678"))),
        ("1-8", Titles("t", 9, tuple("012345678"))),
        ("1-2", Titles("t", 3, ("a", "b", "1-2"))),
        ("2-3", Titles("t", 3, ("a", "3", "c"))),
        ("400-450", WAVELENGTHS),
        ("7", WAVELENGTHS),
    ],
)
def test_a_number_that_may_be_a_name_is_refused_with_what_tells_them_apart(item, titles):
    with pytest.raises(InputError, match=f"{item} could be names .* or @{item} for the numbers"):
        resolve(item, titles)


def test_names_and_numbers_can_be_told_apart():
    assert columns("400:404", WAVELENGTHS) == [150, 151, 152]
    assert columns("400:400,@1,@3-4", WAVELENGTHS) == [150, 0, 2, 3]
    assert columns("800", WAVELENGTHS) == [350]
    assert columns("800-802", WAVELENGTHS) == [350, 351]


def test_many_names_are_found_within_a_second():
    names = tuple(f"n{number}" for number in range(20_000))
    start = time.process_time()
    assert columns(",".join(names), Titles("t", len(names), names)) == list(range(20_000))
    with pytest.raises(InputError, match="all named 'n'") as caught:
        columns("n", Titles("t", 30_000, ("n",) * 30_000))
    assert len(str(caught.value)) < 200
    assert time.process_time() - start < 1


def test_columns_in_a_range_are_not_asked_for_singly():
    assert [pick.singly for pick in resolve("mass,2,3-4", TITLES)] == [True, True, False, False]


def test_a_range_works_without_names():
    assert columns("3-5,1", NAMELESS) == [2, 3, 4, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mas", r"rows\.csv: --columns: no column is named 'mas'; did you mean 'mass'\?"),
        ("zzz", "no column is named 'zzz'; there are 'mass', 'a', 'b'"),
        ("a:zzz", "no column is named 'zzz'"),
        ("8", "no column 8, they are numbered from 1 to 7"),
        ("0", "no column 0"),
        ("3-9", "no column 9"),
        ("99999999999999999999", "no column 9999"),
        ("4-2", "4-2 runs backwards"),
        ("last:a", "last:a runs backwards"),
        ("a,1-3", r"column 2 \('a'\) twice"),
        ("", "names nothing"),
        ("a,,b", "names nothing"),
        ('"a', "quotes without their counterpart"),
        ("-3", "no column is named '-3'"),
    ],
)
def test_what_is_not_there_is_refused_with_what_there_is(text, message):
    with pytest.raises(InputError, match=message):
        resolve(text, TITLES)


def test_names_are_refused_where_there_are_none():
    with pytest.raises(InputError, match="columns here have no names; give numbers from 1 to 7"):
        resolve("mass", NAMELESS)


def test_a_name_that_two_columns_have_chooses_neither():
    with pytest.raises(InputError, match="the columns 1, 3 are all named 'a'"):
        resolve("a", Titles("t", 3, ("a", "b", "a")))


def test_a_thousand_equal_columns_and_long_names_make_no_long_message():
    start = time.process_time()
    for text, names in (("b:" * 60_000, ("a", "b")), ("label" * 20_000, ("a", "b"))):
        with pytest.raises(InputError, match="no column is named") as caught:
            columns(text, Titles("t", 2, names))
        assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match="and others could all be the labels") as caught:
        guess_label(Titles("t", 1000, ("label",) * 1000))
    assert len(str(caught.value)) < 300
    assert time.process_time() - start < 1
