"""What the ending of an output's name says of its format."""

from __future__ import annotations

from pathlib import Path

from gpuae.errors import OutputError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
PARQUET = (".parquet", ".pq")
OTHERS = (
    *(".npy", ".npz", ".mat", ".h5ad", ".h5mu", ".loom", ".nc", ".nc4", ".zarr", ".pkl"),
    *(".json", ".xls", ".xlsx", ".ods", ".feather", ".arrow", ".dat", ".tab", ".idx"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar"),
    *(".pt", ".pth", ".onnx", ".safetensors", ".joblib", ".rds", ".sav", ".fits"),
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".html", ".md", ".toml", ".jsonl", ".log"),
)
"""Endings of formats that are not written: HDF5 under such a name would be a surprise.

Some of them are HDF5 with a layout of their own, which their readers look for.
"""
FOREIGN = frozenset({*DELIMITERS, *PARQUET, *OTHERS})
"""Endings that HDF5 is not written under."""


def is_table(path: Path) -> bool:
    """Whether the ending of a file asks for a table rather than for HDF5.

    Raises
    ------
    OutputError
        For an ending that belongs to a format which is not written.
    """
    ending = path.suffix.lower()
    if ending in OTHERS:
        raise OutputError(
            f"{path}: {ending} is not written; end the name in .h5, .csv, .tsv or .parquet"
        )
    return ending in DELIMITERS or ending in PARQUET


def check_hdf5_name(path: Path, what: str) -> None:
    """Refuse an ending of another format for what is only written as HDF5.

    Raises
    ------
    OutputError
        Naming the ending.
    """
    if path.suffix.lower() in FOREIGN:
        raise OutputError(f"{path}: {what} is HDF5, not {path.suffix}; end the name in .h5")
