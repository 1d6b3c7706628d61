"""A process that a hostile file has taken over may say anything: it is refused, or believed."""

import random
from contextlib import suppress
from functools import partial

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import guard, listing, nodes, reading, strings, walk
from gpuae.storage.hdf5.answers import Answers
from gpuae.storage.hdf5.boxes import read_box

QUICK, LONG = 150, 5_000
ODD = (
    *(None, True, "", "x", -1, 0, 1, 3, 7, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 64),
    *(1.5, float("nan"), 10**400, [], {}, [0], [1, 2, 3], [1 << 40] * 40, [[[]]], {"said": 1}),
    *("<f4", "<f8", "|O", "|S0", "|S4", "<f3", "<U9999999999", "<M8[ns]", "\ud800", "name\0"),
    *("group", "dataset", "link", "integer", "string", ["utf-8", None], ["ascii", 1 << 63]),
)
SMALL = 64 << 20


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "given.h5"
    with h5py.File(path, "w") as file:
        x = np.arange(24.0).reshape(6, 4)
        file["x"] = x
        file["turned"] = x.astype(">i4")
        file.create_dataset("packed", data=x, chunks=(4, 3), compression="gzip", shuffle=True)
        file.create_dataset("quick", data=x, chunks=(4, 3), compression="lzf")
        file["group/words"] = ["a", "ö"]
        file["group/cells"] = np.array([b"a", b"bc"])
        values = ("text", 2, 1.5, np.array([1, 2]), np.array(["a", "b"], h5py.string_dtype()))
        file.attrs.update({f"a{number}": value for number, value in enumerate(values)})
    return path


def read_all(file):
    """Do with a file what its readers do; every part by itself, since the first may be refused."""
    for part in (
        lambda: reading.root_attributes(file),
        lambda: walk.guarded_objects(file),
        lambda: listing.candidates(file),
        lambda: [reading.attribute(file.root, name) for name in guard.attribute_names(file.root)],
        lambda: file.root.has("x"),
        *(partial(_read, file, name) for name in ("x", "turned", "packed", "quick")),
        *(partial(_words, file, f"group/{name}") for name in ("words", "cells")),
    ):
        with suppress(InputError):
            part()


def _read(file, name):
    dataset = reading.dataset_at(file, name)
    if dataset.size * 8 > SMALL:
        return
    reading.read_array(dataset)
    read_box(dataset)


def _words(file, name):
    dataset = reading.dataset_at(file, name)
    if dataset.size * 8 <= SMALL:
        strings.read_text(dataset)


def lying(answers, chosen):
    """Answer as HDF5 does, and now and then something else in its place."""

    def answer(question, into=None):
        try:
            said, raw = answers(question)
        except AttributeError:  # of a dataset what only a group can be asked: the process ends
            raise EOFError from None
        if chosen.random() < 0.3:
            said = changed(said, chosen)
        if chosen.random() < 0.1:
            raw = bytes(raw)[: chosen.randrange(40)] + bytes(chosen.choice((0, 0, 8)))
        if into is not None and len(into) == len(raw):
            into[:] = raw
            return said, into
        return said, bytearray(raw)

    return answer


def changed(said, chosen):
    """Return what was said with one part of it replaced or left out."""
    inner = said.keys() if isinstance(said, dict) else range(len(said)) if _has(said) else ()
    if not inner or chosen.random() < 0.1:
        return chosen.choice(ODD)
    place = chosen.choice(list(inner))
    copy = dict(said) if isinstance(said, dict) else list(said)
    if chosen.random() < 0.1:
        del copy[place]
    else:
        copy[place] = changed(copy[place], chosen)
    return copy


def _has(said):
    return isinstance(said, list | tuple) and len(said) > 0


def survive(path, seeds):
    source = InputFile(path)
    with h5py.File(path) as file:
        for seed in seeds:
            answer = lying(Answers(lambda: file), random.Random(seed))
            try:
                read_all(nodes.File(path, answer, source))
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error


def test_answers_that_are_not_true(path):
    survive(path, range(QUICK))


@pytest.mark.long
def test_many_answers_that_are_not_true(path):
    survive(path, range(QUICK, LONG))


def test_an_error_of_our_own_is_not_said_to_be_damage(path, monkeypatch):
    def fail(*_):
        raise TypeError("a defect")

    monkeypatch.setattr(nodes, "attribute_of", fail)
    with h5py.File(path) as file, pytest.raises(TypeError, match="a defect"):
        nodes.File(path, Answers(lambda: file)).root.attribute("a0")
