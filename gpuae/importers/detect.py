"""Which format a file has: told by its first bytes, and by its ending only where text has none."""

from __future__ import annotations

import enum
import zipfile
from pathlib import Path
from typing import NoReturn

from gpuae.errors import InputError
from gpuae.importers import (
    compressed,
    h5ad,
    idx,
    matlab,
    npy,
    pillow,
    safetensors,
    scipy_npz,
    sound,
    workbook,
    zarr_store,
)
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.files.spooled_file import SpooledFile
from gpuae.storage.hdf5 import opening

CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
PARQUET_MAGIC = b"PAR1"
ARROW_MAGICS = (b"ARROW1\0\0", b"\xff\xff\xff\xff", b"FEA1")
"""Of files, of streams, and of Feather's first version."""
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data", ".asc")
WHAT_IS_PACKED = {
    "xl/workbook.bin": "a binary Excel workbook",
    "content.xml": "an office document",
}
"""By a member that tells it, of zip archives."""
PICKLES = tuple(bytes([0x80, version]) for version in range(2, 6))


class Format(enum.Enum):
    """The formats that data are read from."""

    HDF5 = "HDF5"
    H5AD = "h5ad"
    MATLAB = "MATLAB 7.3"
    OLD_MATLAB = "MATLAB 5"
    IDX = "idx"
    NPY = "npy"
    NPZ = "npz"
    SPARSE_NPZ = "sparse npz"
    SAFETENSORS = "safetensors"
    TABLE = "table"
    PARQUET = "parquet"
    ARROW = "Arrow"
    ZARR = "Zarr"
    IMAGE = "an image"
    WORKBOOK = "a workbook"


FORMAT_OF_MAGIC = {
    npy.NPY_MAGIC: Format.NPY,
    PARQUET_MAGIC: Format.PARQUET,
    **dict.fromkeys(ARROW_MAGICS, Format.ARROW),
    matlab.OLD_MAGIC: Format.OLD_MATLAB,
}
"""By the bytes that files begin with."""
_FORMAT_OF_ENDING = {
    ".h5": Format.HDF5,
    ".hdf5": Format.HDF5,
    ".hdf": Format.HDF5,
    ".h5ad": Format.HDF5,
    ".idx": Format.IDX,
    ".mat": Format.OLD_MATLAB,
    ".npy": Format.NPY,
    ".npz": Format.NPZ,
    ".parquet": Format.PARQUET,
    **dict.fromkeys(workbook.ENDINGS, Format.WORKBOOK),
    ".pq": Format.PARQUET,
    **dict.fromkeys((".arrow", ".feather", ".arrows", ".ipc"), Format.ARROW),
    ".safetensors": Format.SAFETENSORS,
    **dict.fromkeys(TABLE_ENDINGS, Format.TABLE),
    **dict.fromkeys(pillow.ENDINGS, Format.IMAGE),
}

_TABLES_LISTED = f"{', '.join(TABLE_ENDINGS[:-1])} or {TABLE_ENDINGS[-1]}"


def split_spec(spec: str) -> tuple[Path, str | None]:
    """Split `file::name` into the two; a file whose own name holds the colons comes first."""
    path, separator, inner = spec.rpartition("::")
    if not separator or Path(spec).exists():
        return Path(spec), None
    if not inner.strip("/"):
        raise InputError(f"{spec}: names nothing after ::; give a path such as {path}::/data/x")
    return Path(path), inner


def data_ending(name: str) -> str | None:
    """Return the ending of a file's name that tells the kind of its data; None where none does.

    Text may be anything.
    """
    packed = compressed.without_ending(name.lower())
    if packed.endswith(("-ubyte", ".idx")):
        return "idx"
    ending = Path(packed).suffix
    found = _FORMAT_OF_ENDING.get(ending)
    return None if found in (None, Format.IMAGE) or ending == ".txt" else ending


def detect(file: InputFile) -> Format:
    """Return the format of a file; what comes through a pipe is text unless it begins otherwise.

    Raises
    ------
    InputError
        When the file cannot be read or is of no format that is known.
    """
    by_content = _kind_of_hdf5(file) if opening.is_hdf5(file) else _by_first_bytes(file)
    piped = Format.TABLE if isinstance(file, SpooledFile) else None
    found = by_content or piped or _by_ending(file.path)
    if found is None:
        raise InputError(
            f"{file}: is in none of the formats that are read: HDF5, idx or idx.gz, npy, npz, "
            "safetensors, parquet, Arrow, Zarr, xlsx, h5ad, mat of version 7.3, images, WAV, and "
            f"text tables that end in {_TABLES_LISTED}; convert it to one of them, or rename it if "
            "it is a table"
        )
    return found


def _kind_of_hdf5(file: InputFile) -> Format:
    if file.head.startswith(matlab.MAGIC):
        return Format.MATLAB
    return Format.H5AD if h5ad.is_h5ad(file) else Format.HDF5


def _by_first_bytes(file: InputFile) -> Format | None:
    head = file.head
    if head.startswith(npy.ZIP_MAGICS):
        return _kind_of_archive(file)
    if pillow.is_image(head):
        return Format.IMAGE
    if safetensors.is_safetensors(file):
        return Format.SAFETENSORS
    _refuse_others(file)
    known = (found for magic, found in FORMAT_OF_MAGIC.items() if head.startswith(magic))
    return next(known, Format.IDX if idx.is_idx(head) else None)


def _refuse_others(file: InputFile) -> None:
    """Refuse what is known not to be read, with what helps."""
    if file.head.startswith(workbook.OLE_MAGIC):
        workbook.refuse_old(file)
    if file.head.startswith(CLASSIC_NETCDF):
        raise InputError(
            f"{file}: is netCDF of a format before netCDF-4; convert it by nccopy -k nc4 {file} "
            "new.nc"
        )
    if sound.is_recording(file.head):
        raise InputError(f"{file}: is a recording; {sound.CUT.format(file)}")
    if file.head.startswith(PICKLES):
        raise InputError(
            f"{file}: is a pickle of Python's, which could run any program and is never opened; "
            "save its array by np.save or as safetensors"
        )


def _kind_of_archive(file: InputFile) -> Format:
    """Return what a zip archive holds: a workbook, or arrays; others are refused."""
    with npy.numpy_errors(str(file)), zipfile.ZipFile(file.stream()) as archive:
        members = archive.namelist()
    if zarr_store.is_packed(members):
        return Format.ZARR
    what = next((WHAT_IS_PACKED[name] for name in WHAT_IS_PACKED if name in members), None)
    if what:
        raise InputError(f"{file}: is {what}; {workbook.SAVE_SHEET}")
    if any(name.startswith(workbook.PARTS) for name in members):
        return Format.WORKBOOK
    if members and not any(name.endswith(".npy") for name in members):
        raise InputError(
            f"{file}: is an archive without arrays of NumPy's, it begins with {members[0]!r}; "
            "unpack it and give the file in it"
        )
    return Format.SPARSE_NPZ if scipy_npz.is_sparse(file) else Format.NPZ


def _by_ending(path: Path) -> Format | None:
    """Tell text, gzip, and files whose reader will say what is wrong with their content."""
    name = path.name.lower()
    packed = compressed.without_ending(name)
    if packed.endswith(TABLE_ENDINGS):
        return Format.TABLE
    if name != packed:
        return Format.IDX if name.endswith(".gz") else _refuse_packed(path)
    if "-idx" in name or name.endswith("-ubyte"):
        return Format.IDX
    return _FORMAT_OF_ENDING.get(path.suffix.lower())


def _refuse_packed(path: Path) -> NoReturn:
    raise InputError(f"{path}: only tables of text are read packed like this; unpack it first")
