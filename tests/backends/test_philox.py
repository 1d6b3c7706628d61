"""The random words are Philox4x32-10's, addressed by row, column, epoch, purpose and layer."""

from functools import cache

import numpy as np
import pytest

from gpuae.backends import philox
from gpuae.backends.philox import Purpose

KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Counter, key and words of the Random123 library's file kat_vectors."""

SEEDS = [0, 1, 2**32 - 1, 2**32, 0x0123_4567_89AB_CDEF, 2**64 - 1]


@pytest.fixture(scope="module")
def compiled_philox():
    """One counter's words by the compiled function, compiled afresh."""
    from numba import njit

    from gpuae.backends import numba_rows

    @njit
    def run(counter, key, out):
        out[0], out[1], out[2], out[3] = numba_rows.philox(
            np.uint64(counter[0]),
            np.uint64(counter[1]),
            np.uint64(counter[2]),
            np.uint64(counter[3]),
            np.uint64(key[0]),
            np.uint64(key[1]),
        )

    return run


def compiled_words(seed, purpose, rows, columns, epoch=0, layer=0):
    rows = np.asarray(rows, np.int64)
    out = np.zeros((len(rows), 4 * -(-columns // 4)), np.uint32)
    draw = compiled_draw()
    draw(rows, epoch, philox.stream(purpose, layer), philox.key_of(seed), out)
    return out[:, :columns]


@cache
def compiled_draw():
    from numba import njit

    from gpuae.backends import numba_rows

    @njit
    def draw(rows, epoch, stream, key, out):
        for i in range(rows.size):
            numba_rows.draw_row(rows[i], epoch, stream, key, out[i])

    return draw


def defined_words(seed, purpose, rows, columns, epoch=0, layer=0):
    return philox.words(seed, purpose, np.asarray(rows, np.int64), columns, epoch, layer)


@pytest.fixture(params=[defined_words, compiled_words], ids=["numpy", "cpu"])
def words(request):
    return request.param


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_definition_gives_the_published_words(counter, key, answer):
    assert philox.philox(np.array(counter, np.uint32), key).tolist() == list(answer)


def test_every_bit_of_epoch_row_column_and_layer_counts(words):
    columns, epoch, row, layer = 4 * 65_537, 0x0102_0304, 0x7654_3210, 0x0001_0203
    drawn = words(SEEDS[4], Purpose.DROPOUT, [row], columns, epoch, layer)[0]
    counter = np.array([65_536, row, epoch, Purpose.DROPOUT + 256 * layer], np.uint32)
    expected = philox.philox(counter, philox.key_of(SEEDS[4]))
    np.testing.assert_array_equal(drawn[-4:], expected)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_compiled_function_gives_the_published_words(compiled_philox, counter, key, answer):
    out = np.zeros(4, np.uint64)
    compiled_philox(np.array(counter, np.uint64), np.array(key, np.uint64), out)
    assert out.tolist() == list(answer)


def test_a_word_of_zeros_is_the_first_published_answer(words):
    """Purpose and layer fill the last word of the counter, so only a made-up purpose gives zero."""
    assert words(0, 0, [0], 4).tolist() == [list(KNOWN_ANSWERS[0][2])]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 4), (7, 33), (0, 6)])
def test_both_backends_draw_the_same_words(seed, shape):
    rows = np.arange(shape[0]) * 1_000_003
    arguments = (seed, Purpose.DROPOUT, rows, shape[1], 17, 3)
    drawn = compiled_words(*arguments)
    assert drawn.shape == shape
    np.testing.assert_array_equal(drawn, defined_words(*arguments))


def test_the_counter_is_column_group_row_epoch_and_purpose_with_layer(words):
    seed, row, epoch, layer = 0xAAAA_BBBB_CCCC_DDDD, 12345, 77, 5
    drawn = words(seed, Purpose.NOISE, [row], 11, epoch, layer)[0]
    for column in range(11):
        counter = np.array([column // 4, row, epoch, 1 + 256 * layer], np.uint32)
        expected = philox.philox(counter, (0xCCCC_DDDD, 0xAAAA_BBBB))[column % 4]
        assert drawn[column] == expected


def test_purposes_have_the_numbers_that_files_and_other_backends_rely_on():
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "NOISE": 1,
        "DROPOUT": 2,
        "INITIAL_WEIGHTS": 3,
        "ROW_ORDER": 4,
        "SPLIT": 5,
        "SAMPLE": 6,
        "PATCHES": 7,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"seed": 1 + 2**32},
        {"purpose": Purpose.DROPOUT},
        {"rows": [4]},
        {"epoch": 1},
        {"layer": 1},
    ],
)
def test_every_part_of_the_address_changes_the_words(words, other):
    address = {"seed": 1, "purpose": Purpose.NOISE, "rows": [3], "columns": 8}
    assert not np.array_equal(words(**address), words(**{**address, **other}))


def test_a_rows_words_do_not_depend_on_the_rows_beside_it(words):
    together = words(9, Purpose.NOISE, [5, 8, 2], 6)
    np.testing.assert_array_equal(together[1:2], words(9, Purpose.NOISE, [8], 6))


def test_words_are_spread_evenly(words):
    drawn = words(3, Purpose.NOISE, np.arange(500), 200)
    counts = np.bincount((drawn >> 28).ravel(), minlength=16)
    expected = drawn.size / 16
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 44.3  # 15 degrees of freedom: once in 10,000 seeds


def test_uniforms_lie_inside_the_open_unit_interval():
    ends = philox.uniforms(np.array([0, 2**32 - 1], np.uint32))
    assert 0 < ends[0] < 1e-9
    assert 1 - 1e-9 < ends[1] < 1


def test_normals_are_box_muller_of_the_words_in_pairs():
    drawn = defined_words(4, Purpose.NOISE, [1], 4)
    u = (drawn[0].astype(float) + 0.5) / 2**32
    expected = [
        np.sqrt(-2 * np.log(u[0])) * np.cos(2 * np.pi * u[1]),
        np.sqrt(-2 * np.log(u[0])) * np.sin(2 * np.pi * u[1]),
        np.sqrt(-2 * np.log(u[2])) * np.cos(2 * np.pi * u[3]),
        np.sqrt(-2 * np.log(u[2])) * np.sin(2 * np.pi * u[3]),
    ]
    np.testing.assert_allclose(philox.normals(drawn)[0], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("probability", "bits", "expected"),
    [(0.0, 32, 0), (1.0, 32, 2**32), (0.5, 32, 2**31), (0.3, 32, 1288490188), (0.3, 31, 644245094)],
)
def test_a_threshold_is_the_floor_of_p_times_a_power_of_two(probability, bits, expected):
    assert philox.threshold(probability, bits) == expected
