"""A small whole file of every kind that is read."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from gpuae.cli import run

ROWS = np.random.default_rng(0).random((12, 6)).astype(np.float32)
NAMES = [f"row {i}" for i in range(len(ROWS))]

GROUPS = {
    "dataset.h5": "hdf5",
    "model.h5": "model",
    "tied.h5": "model",
    "classifier.h5": "classifier",
    "features.h5": "hdf5",
    "scores.h5": "scores",
    "checkpoint.h5": "checkpoint",
    "compressed.h5": "compressed",
    "chunked.h5": "inner",
    "cells.h5ad": "streamed",
    "growing.h5ad": "streamed",
    "turned.mat": "streamed",
    "words.h5": "hdf5",
    "rows.npy": "data",
    "rows.npz": "data",
    "small.npz": "data",
    "sparse.npz": "data",
    "small-sparse.npz": "streamed",
    "rows.parquet": "data",
    "rows-idx3-ubyte": "data",
    "rows-idx3-ubyte.gz": "data",
    "rows.csv": "data",
    "labels.csv": "labels",
    "labels.npy": "labels",
    "labels-idx1-ubyte": "labels",
}
"""What the reader does with each file."""

LAYOUTS = dict.fromkeys(
    (*("netcdf.h5", "lengths.h5", "compact.h5", "latest.h5", "block.h5", "offset.h5"), "lzf.h5"),
    "inner",
)
"""Files of HDF5's rarer layouts, each with a dataset `x`; many damaged copies of them are read."""


def write_all(folder: Path) -> None:
    """Write a whole file of every name in GROUPS."""
    _write_tables(folder)
    _write_arrays(folder)
    _write_foreign_hdf5(folder)
    _write_sparse(folder)
    _write_own_hdf5(folder)


def _write_tables(folder: Path) -> None:
    lines = [
        ",a,b,c,d,e,f,label",
        *(f"{NAMES[i]},{','.join(map(str, ROWS[i]))},{i % 3}" for i in range(12)),
    ]
    (folder / "rows.csv").write_text("\n".join(lines))
    (folder / "labels.csv").write_text("label\n" + "\n".join(NAMES))


def _write_arrays(folder: Path) -> None:
    np.save(folder / "rows.npy", ROWS)
    np.save(folder / "labels.npy", np.array(NAMES))
    np.savez(folder / "rows.npz", x=ROWS, y=np.arange(12))
    np.savez_compressed(folder / "small.npz", x=ROWS, y=np.arange(12))
    images = b"\0\0\x08\3" + np.array([12, 2, 3], ">u4").tobytes() + bytes(range(72))
    (folder / "rows-idx3-ubyte").write_bytes(images)
    (folder / "rows-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=0))
    (folder / "labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\x0c" + bytes(range(12)))


def write_layouts(folder: Path) -> None:
    """Write a file of every name in LAYOUTS."""
    for name, fill, options in (
        ("netcdf.h5", _meaning, {}),
        ("lengths.h5", _lengths, {}),
        ("compact.h5", _compact, {}),
        ("latest.h5", _dense, {"libver": "latest"}),
        ("block.h5", lambda file: file.create_dataset("x", data=ROWS.astype(">f4")), BLOCK),
        ("offset.h5", lambda file: file.create_dataset("x", data=WHOLE, scaleoffset=0), {}),
        ("lzf.h5", lambda file: file.create_dataset("x", data=WHOLE, compression="lzf"), {}),
    ):
        with h5py.File(folder / name, "w", **options) as file:
            fill(file)


BLOCK = {"userblock_size": 1024}
WHOLE = (ROWS * 100).astype(np.int32)


def _meaning(file: h5py.File) -> None:
    attributes = {"scale_factor": 0.5, "_FillValue": np.int32(7), "units": "K"}
    file.create_dataset("x", data=WHOLE, chunks=(5, 4), compression="gzip").attrs.update(attributes)


def _lengths(file: h5py.File) -> None:
    """Texts of any length, together and in chunks, beside rows."""
    file["x"] = ROWS
    file.attrs["text"] = "words"
    file["texts"] = NAMES
    file.create_dataset("packed", data=NAMES, dtype=h5py.string_dtype(), compression="gzip")


def _compact(file: h5py.File) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(ROWS.shape)
    made = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, creation)
    h5py.Dataset(made)[...] = ROWS


def _dense(file: h5py.File) -> None:
    """More attributes and links than are kept beside one another, and chunks that can grow."""
    file.attrs.update({f"name {number}": f"text {number}" for number in range(12)})
    for number in range(20):
        file[f"group/{number}"] = number
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    file.create_dataset("x", data=ROWS, chunks=(5, 4), maxshape=(None, None), **options)


def _write_foreign_hdf5(folder: Path) -> None:
    with h5py.File(folder / "chunked.h5", "w") as file:
        options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        file.create_dataset("x", data=ROWS, chunks=(5, 4), **options)
        file.create_dataset("lzf", data=ROWS, chunks=(5, 4), compression="lzf")
    with h5py.File(folder / "words.h5", "w") as file:
        file.attrs.update({"format": "gpuae", "format_version": "1.0", "kind": "dataset"})
        file["data/x"] = ROWS
        file["data/row_id"] = NAMES
        file["data/y"] = np.arange(12, dtype=">i8")


def _write_sparse(folder: Path) -> None:
    few = sparse.csr_matrix(np.where(ROWS > 0.5, ROWS, 0))
    sparse.save_npz(folder / "sparse.npz", few, compressed=False)
    sparse.save_npz(folder / "small-sparse.npz", few, compressed=True)
    _write_cells(folder / "cells.h5ad", few, compression="gzip")
    _write_cells(folder / "growing.h5ad", few, maxshape=(None,))
    with h5py.File(folder / "turned.mat", "w", userblock_size=512) as file:
        file.create_dataset("X", data=ROWS.T, compression="gzip", chunks=(6, 4))
        file["X"].attrs["MATLAB_class"] = np.bytes_("single")
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM"
    with (folder / "turned.mat").open("r+b") as file:
        file.write(head)


def _write_cells(path: Path, few: sparse.csr_matrix, **options: object) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "shape": few.shape})
        for name in ("indptr", "indices", "data"):
            matrix.create_dataset(name, data=getattr(few, name), **options)
        for frame, names in (("obs", NAMES), ("var", list("abcdef"))):
            file.create_group(frame).attrs["_index"] = "_index"
            file[f"{frame}/_index"] = names


CLASSES = ("--head-epochs", "1", "--epochs", "1", "--device", "numpy")


def _write_own_hdf5(folder: Path) -> None:
    def made(*arguments: str) -> None:
        names = [str(folder / part) if "." in part else part for part in arguments]
        assert run([*names, "--force"]) == 0

    short = ("--epochs", "1", "--device", "numpy", "--hidden", "4,2")
    made("convert", "rows.csv", "dataset.h5")
    made("fit", "dataset.h5", "-o", "model.h5", "--whiten", "pca", *short)
    made("fit", "dataset.h5", "-o", "tied.h5", "--decoder", "tied", *short)
    made("fit", "dataset.h5", "-o", "other.h5", "--checkpoint", "checkpoint.h5", *short)
    made("convert", "dataset.h5", "rows.parquet")
    made("finetune", "tied.h5", "dataset.h5", "-o", "classifier.h5", *CLASSES)
    made("encode", "model.h5", "dataset.h5", "-o", "features.h5", "--device", "numpy")
    made("score", "model.h5", "dataset.h5", "-o", "scores.h5", "--device", "numpy")
    made("compress", "tied.h5", "dataset.h5", "-o", "compressed.h5", "--device", "numpy")
