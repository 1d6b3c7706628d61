import pytest

from gpuae.errors import InputError
from gpuae.importers.columns import Titles, resolve

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


def test_what_is_a_name_is_never_a_number():
    assert columns("5") == [4]
    assert columns("5", NAMELESS) == [4]
    assert columns("5-5") == [4]


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
