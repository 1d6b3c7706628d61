"""The content hash, computed a second time here from docs/format.md alone."""

import json
from hashlib import sha256

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuae.errors import InputError
from gpuae.storage.content_hash import file_hash, hash_blocks
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, walk
from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.kinds.model_file import write_model
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.outputs.small_output import write_small


def octets(values):
    if values.dtype.kind in "OSU":
        texts = [v.encode() if isinstance(v, str) else v for v in values.reshape(-1).tolist()]
        return b"".join(text + b"\0" for text in texts)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def digest(values):
    rows = np.asarray(values)
    rows = rows.reshape(1) if rows.ndim == 0 else rows
    blocks = (sha256(octets(rows[i : i + 256])).digest() for i in range(0, len(rows), 256))
    return sha256(b"".join(blocks)).hexdigest()


def kind(values):
    return "text" if values.dtype.kind in "OSU" else values.dtype.newbyteorder("=").name


def by_hand(path):
    """Return the content hash of a file as the specification defines it."""
    lines = []

    def take(name, item):
        for key, value in item.attrs.items():
            if (name, key) != ("/", "content_sha256"):
                array = np.array(value, object) if isinstance(value, str) else np.asarray(value)
                lines.append(["attribute", name, key, kind(array), array.shape, digest(array)])
        if isinstance(item, h5py.Dataset):
            line = ["dataset", name, kind(item), item.shape]
            lines.append(line if name == "/train/history/seconds" else [*line, digest(item[()])])
        else:
            lines.append(["group", name])

    with h5py.File(path) as file:
        take("/", file)
        file.visititems(lambda name, item: take(f"/{name}", item))
    return sha256(b"".join(f"{line}\n".encode() for line in sorted(map(json.dumps, lines))))


def stated(path):
    with h5py.File(path) as file:
        return file.attrs["content_sha256"].decode()


def computed(path):
    with opening.opened(InputFile(path)) as file:
        return file_hash.content_sha256(walk.guarded_objects(file))


def assert_right(path):
    assert stated(path) == computed(path) == by_hand(path).hexdigest()


def test_a_model_carries_the_hash_that_the_specification_defines(tmp_path, model_of):
    write_model(tmp_path / "a.h5", model_of(), force=False)
    assert_right(tmp_path / "a.h5")


def test_a_data_set_with_texts_carries_it_too(tmp_path, full_dataset):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    assert_right(tmp_path / "a.h5")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_rows_are_hashed_right_from_any_blocks_in_any_order(tmp_path_factory, data):
    shape = data.draw(st.sampled_from([(1, 1), (255, 2), (256,), (257, 3), (1300,), (1024, 5)]))
    dtype = data.draw(st.sampled_from(["u1", "f4", ">i8"]))
    rows = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    edges = st.sampled_from([0, 1, 100, 255, 256, 257, 511, 512, 768, 1000, 1024, 1299])
    spans = data.draw(st.lists(st.tuples(edges, edges), max_size=8))
    path = tmp_path_factory.mktemp("rows") / "a.h5"
    with RowsOutput(path, "/data/x", shape, rows.dtype, lambda _: None, force=False) as out:
        for start, length in [*spans, (0, 128), (128, 640), (768, shape[0])]:
            begin = min(start, shape[0])
            out.write(begin, rows[begin : begin + length])
    assert_right(path)


def test_rows_that_are_written_again_are_hashed_as_they_are_in_the_end(tmp_path):
    with RowsOutput(tmp_path / "a.h5", "/x", (600, 2), "f4", lambda _: None, force=False) as out:
        out.write(0, np.zeros((600, 2)))
        out.write(300, np.ones((5, 2)))
        out.write(512, np.ones((88, 2)))
    assert_right(tmp_path / "a.h5")


def test_only_blocks_that_were_not_written_at_once_are_read(tmp_path):
    rows = np.random.default_rng(0).random((1000, 3))
    known = hash_blocks.HashBlocks(1000)
    for start, stop in ((0, 300), (300, 512), (512, 1000)):
        known.add(start, rows[start:stop])

    read = []

    class Watched:
        def __getitem__(self, span):
            read.append((span.start, span.stop))
            return rows[span]

    assert known.sha256(Watched()) == digest(rows)
    assert read == [(256, 512)]


def test_the_layout_does_not_matter(tmp_path):
    rows = np.random.default_rng(0).random((700, 40)).astype("f4")
    names = [f"row {i}" for i in range(700)]
    for name, options in (
        ("a.h5", {}),
        ("b.h5", {"chunks": (100, 7), "compression": "gzip", "dtype": ">f4"}),
    ):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("x", data=rows, **options)
            texts = {"dtype": h5py.string_dtype()} if options else {"dtype": "S9"}
            file.create_dataset("names", data=names, **texts)
    assert computed(tmp_path / "a.h5") == computed(tmp_path / "b.h5")


def test_timings_do_not_count(tmp_path, model_of):
    hashes = []
    for seconds in (1.0, 2.0):
        history = {"epoch": np.arange(2), "seconds": np.full(2, seconds)}
        write_model(tmp_path / "a.h5", model_of(history=history), force=True)
        hashes.append(stated(tmp_path / "a.h5"))
    assert hashes[0] == hashes[1]


CHANGES = [
    lambda file: file["g"].attrs.modify("words", "othes"),
    lambda file: file["g"].attrs.modify("numbers", [1, 3]),
    lambda file: file.attrs.create("more", 1),
    lambda file: file.create_group("g/empty"),
    lambda file: file.move("g/x", "g/y"),
    lambda file: file["g/x"].write_direct(np.array([1, 2, 4])),
    lambda file: (file.pop("g/x"), file.create_dataset("g/x", data=np.arange(3, dtype="i4"))),
    lambda file: (file.pop("g/x"), file.create_dataset("g/x", data=np.arange(3)[None])),
    lambda file: (file.pop("s"), file.create_dataset("s", data=5.5)),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_changes_the_hash(tmp_path, change):
    def build(file):
        file["g/x"] = np.arange(3)
        file["s"] = 5.0
        file["g"].attrs["words"] = "other"
        file["g"].attrs["numbers"] = [1, 2]

    path = tmp_path / "a.h5"
    write_small(path, build, force=False)
    assert stated(path) == computed(path)
    with h5py.File(path, "r+") as file:
        change(file)
    assert stated(path) != computed(path)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda f: f.create_dataset("x", data=np.zeros(2, "c8")), "neither text nor numbers"),
        (lambda f: f.attrs.create("x", np.zeros(2, "i4,i4")), "neither text nor numbers"),
        (lambda f: f.attrs.create("x", h5py.Empty("f4")), "holds nothing, or more"),
        (lambda f: f.attrs.create("x", ["a"] * 17), "holds nothing, or more"),
        (lambda f: f.update({"x": np.dtype("f4")}), "neither a group nor a dataset"),
        (lambda f: f.update({"x": h5py.SoftLink("/y")}), "soft or external link"),
        (lambda f: f.update({"x": h5py.ExternalLink("b.h5", "/y")}), "soft or external link"),
        (lambda f: f.create_group("x").update({"again": f}), "under another name too"),
        (lambda f: f.create_group("x/" * 40), "over 32 groups deep"),
    ],
)
def test_what_no_file_of_gpuaes_holds_is_refused(tmp_path, build, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build(file)
    with pytest.raises(InputError, match=message):
        computed(tmp_path / "a.h5")
