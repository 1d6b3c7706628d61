"""What codes of growing size explain, as it is drawn, and read back from what was printed."""

import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest

from gpuae.dimensions import Dimensions, Size
from gpuae.errors import InputError
from gpuae.pictures.dimensions import dimensions, read_dimensions

FOUND = Dimensions(
    rows=180,
    columns=61,
    largest=64,
    sizes=(Size(1, 0.1, 0.12, 0.5), Size(2, 0.3, 0.25, 0.5), Size(4, 0.5, 0.45, 0.6)),
    suggested=2,
    suggested_explained_variance=0.3,
    pca_suggested=3,
    pca_suggested_explained_variance=0.4,
)


@pytest.fixture
def written(tmp_path):
    """A function that writes what the command prints, with some of it changed."""

    def write(**changes):
        path = tmp_path / "found.json"
        path.write_text(json.dumps(asdict(FOUND) | {"reason": str(FOUND)} | changes, default=str))
        return path

    return write


def test_shares_are_drawn_against_the_size_of_the_code():
    (panel,) = dimensions(FOUND).panels
    own, pca = panel.series
    assert own.x.tolist() == pca.x.tolist() == [1, 2, 4]
    assert own.y.tolist() == [0.1, 0.3, 0.5]
    assert pca.y.tolist() == [0.12, 0.25, 0.45]
    assert panel.axes.log_x


def test_suggested_sizes_are_marked():
    (panel,) = dimensions(FOUND).panels
    assert [(own.label, own.value, own.axis) for own in panel.levels] == [
        ("suggested: 2", 2, "x"),
        ("PCA by the same rule: 3", 3, "x"),
    ]


def test_no_size_is_marked_where_none_is_worth_it():
    (panel,) = dimensions(replace(FOUND, suggested=0, pca_suggested=0)).panels
    assert not panel.levels


def test_the_description_is_what_the_command_says():
    description = dimensions(FOUND).description
    assert str(FOUND) in description
    assert FOUND.pca_sentence() in description


def test_shares_far_below_zero_do_not_squeeze_the_others():
    sizes = (Size(1, -40.0, 0.1, 1.0), *FOUND.sizes[1:])
    picture = dimensions(replace(FOUND, sizes=sizes))
    assert np.isnan(picture.panels[0].series[0].y).tolist() == [True, False, False]
    assert "1 code size is left out where less than -100% of the variance is explained" in (
        picture.notes
    )


def test_a_single_size_is_a_point():
    (panel,) = dimensions(replace(FOUND, sizes=FOUND.sizes[:1])).panels
    assert {own.kind for own in panel.series} == {"points"}


def test_an_interrupted_search_says_so():
    assert dimensions(replace(FOUND, interrupted=True)).notes


def test_what_was_printed_is_read_back(written):
    assert read_dimensions(written()) == FOUND


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": None},
        {"rows": "180"},
        {"rows": 0},
        {"suggested": -1},
        {"sizes": []},
        {"sizes": 3},
        {"sizes": [{"code_size": 1}]},
        {"sizes": [asdict(Size(0, 0.1, 0.1, 1.0))]},
        {"sizes": [asdict(Size(2, 0.1, 0.1, 1.0)), asdict(Size(1, 0.1, 0.1, 1.0))]},
        {"sizes": [asdict(Size(1, 0.1, 0.1, 1.0))] * 2},
        {"sizes": [asdict(Size(1, 1.5, 0.1, 1.0))]},
        {"sizes": [asdict(Size(1, float("nan"), 0.1, 1.0))]},
        {"sizes": [asdict(Size(1, 0.1, float("-inf"), 1.0))]},
        {"pca_suggested_explained_variance": float("inf")},
        {"rows": 10**400},
    ],
    ids=lambda own: str(own)[:60],
)
def test_what_no_search_has_found_is_refused(written, changes):
    path = written(**changes)
    with pytest.raises(InputError) as refused:
        read_dimensions(path)
    text = str(refused.value)
    assert text.startswith(f"{path}: is not what `gpuae dimensions DATA --json` prints")
    assert text.endswith("give that file")
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20), b"\x89HDF\r\n\x1a\n"],
    ids=lambda own: repr(own[:8]),
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "found.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not what `gpuae dimensions DATA --json` prints"):
        read_dimensions(path)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_dimensions(tmp_path / "none.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        read_dimensions(tmp_path / "pipe")
