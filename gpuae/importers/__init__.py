"""Rows from whatever a person has: HDF5, AnnData, MATLAB, NumPy, idx, text, images; the digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers import (
    arrow_file,
    digits,
    h5ad,
    hdf5_labels,
    idx,
    images,
    many,
    matlab,
    npy,
    pandas_hdf5,
    parquet,
    patches,
    safetensors,
    scipy_npz,
    sheet,
    sound,
    standard_input,
    table,
    zarr_file,
)
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.importers.inputs import SEPARATOR, files_named, joined, opened
from gpuae.importers.labels import LabelsFile, WeightsFile
from gpuae.importers.named_files import NamedFiles
from gpuae.importers.options import AS_IT_IS, ImageOptions, PatchOptions, ReadOptions, SoundOptions
from gpuae.importers.roles import with_columns
from gpuae.memory import data_memory
from gpuae.storage.files.folder_file import FolderFile
from gpuae.storage.files.input_file import Input, InputFile
from gpuae.storage.files.many_files import ManyFiles, Part
from gpuae.storage.hdf5 import opening
from gpuae.storage.kinds.dataset_file import open_dataset
from gpuae.storage.rows.dataset import Dataset

__all__ = [
    "ImageOptions",
    "LabelsFile",
    "PatchOptions",
    "ReadOptions",
    "SoundOptions",
    "WeightsFile",
    "files_named",
    "files_of",
    "joined",
    "open_data",
    "opened",
    "path_of",
    "split_spec",
]

TABLES = {Format.TABLE: table.load, Format.PARQUET: parquet.load, Format.ARROW: arrow_file.load}
"""Formats whose columns can be other things than features."""
ARRAYS: dict[Format, Callable[[InputFile, str | None, int], Dataset]] = {
    Format.H5AD: h5ad.load,
    Format.MATLAB: matlab.load,
    Format.SAFETENSORS: safetensors.load,
    Format.ZARR: zarr_file.load,
}
"""Formats that hold several arrays, some of which are read block by block."""


def open_data(
    spec: str,
    labels: LabelsFile | None = None,
    memory: int | None = None,
    options: ReadOptions = AS_IT_IS,
    file: Input | None = None,
) -> Dataset:
    """Open what a person calls DATA.

    Parameters
    ----------
    spec
        `digits`; or a file, recognised by its content: HDF5, AnnData's .h5ad, MATLAB's .mat of
        version 7.3, idx (gzipped or not), .npy, .npz (also SciPy's of a CSR matrix), safetensors,
        parquet, Arrow, Zarr, a workbook, or a table of text with a header. `file::name` chooses
        within files that hold several arrays or sheets. A pattern such as `shards/*.npy`, a folder
        of data files of one kind, or several names that `joined` has joined, are one matrix. `-` is
        a table on standard input. `./digits` is a file of that name.
    labels
        In a file of their own, one a row.
    memory
        Bytes of rows that are read into memory at once, where a format lets them be read by blocks
        instead; None for as many as suit this machine.
    options
        Which columns are taken, and as what.
    file
        What `opened` has returned, where it has been called already.

    Raises
    ------
    InputError
        When there are no rows of numbers in it, or not one label for each.
    """
    most = data_memory(None) if memory is None else memory
    dataset = _open(spec, most, options, file)
    return dataset if labels is None else _with_labels(dataset, labels)


def path_of(spec: str) -> Path | None:
    """Return the file that a person names alone, whether it is there or not; None if in none."""
    return None if spec == digits.NAME else split_spec(spec)[0]


def files_of(spec: str, options: ReadOptions = AS_IT_IS) -> tuple[Path, ...]:
    """Return the files that rows are read from, whether they are there or not.

    Raises
    ------
    InputError
        When a pattern or a folder names none.
    """
    if options.patches is None and options.sound is None:
        return tuple(path for path, _ in files_named(spec))
    path = path_of(spec)
    if path is None:
        return ()
    if options.patches is not None:
        return patches.image_files(path)
    recordings = sound.opened(path)
    return recordings.files if isinstance(recordings, NamedFiles) else (path,)


def _open(spec: str, memory: int, options: ReadOptions, file: Input | None) -> Dataset:
    if spec == digits.NAME:
        if options.patches is not None or options.sound is not None:
            option = "--patches" if options.sound is None else "--sound"
            raise InputError(f"{spec}: are rows already; leave {option} out")
        _check_of_text(spec, options)
        _check_of_images(spec, options)
        return with_columns(digits.load(), options)
    if options.sound is not None:
        _check_of_text(spec, options)
        _check_only_sound(options)
        rows = sound.load(_only(spec, "sound"), options.sound, memory)
        return with_columns(rows, options)
    if options.patches is not None:
        _check_of_text(spec, options)
        return with_columns(patches.load(_only(spec, "patches"), options.patches), options)
    file = file or opened(spec)
    assert file is not None  # the digits are in none
    if isinstance(file, ManyFiles):
        return many.load(file, options, memory, _open_part)
    return _open_part(Part(file, _inner(spec)), memory, options)


def _only(spec: str, option: str) -> Path:
    """Return the file, folder or pattern that is cut into rows."""
    if SEPARATOR in spec:
        raise InputError(f"--{option}: takes one file, or those of one folder; give one of them")
    return Path(spec)


def _inner(spec: str) -> str | None:
    is_inside = SEPARATOR not in spec and spec != standard_input.NAME
    return split_spec(spec)[1] if is_inside else None


def _open_part(part: Part, memory: int, options: ReadOptions) -> Dataset:
    """Open one file, or one folder that is read as a whole."""
    file = part.file
    if isinstance(file, InputFile):
        return _open_file(file, part.inner, memory, options)
    _check_of_text(str(file), options)
    if isinstance(file, NamedFiles):
        return with_columns(images.load(file, options, memory), options)
    assert isinstance(file, FolderFile)
    _check_of_images(str(file), options)
    return with_columns(zarr_file.load(file, part.inner, memory), options)


def _open_file(file: InputFile, inner: str | None, memory: int, options: ReadOptions) -> Dataset:
    found = detect(file)
    if found is Format.IMAGE:
        _check_of_text(str(file), options)
        return with_columns(images.load_one(file, options, memory), options)
    _check_of_images(str(file), options)
    if found not in (Format.TABLE, Format.WORKBOOK):
        _check_of_text(str(file), options)
    if found is Format.WORKBOOK:
        return sheet.load(file, inner, options, memory)
    if found in TABLES and inner is None:
        return TABLES[found](file, options, memory)
    if found is Format.HDF5:
        table_of_pandas = pandas_hdf5.load(file, inner, options, memory)
        if table_of_pandas is not None:
            return table_of_pandas
    return with_columns(_open_matrix(file, inner, found, memory), options)


def _check_of_text(spec: str, options: ReadOptions) -> None:
    """Refuse what only a table of text can follow."""
    given = options.of_text()
    if given:
        raise InputError(f"{spec}: {given[0]} is for tables of text; leave it out")


def _check_of_images(spec: str, options: ReadOptions) -> None:
    """Refuse what only images can follow, unless a model has it for those that are images."""
    given = options.images.requested() if options.images and not options.names_of else {}
    if given:
        raise InputError(f"{spec}: --{next(iter(given))} is for images; leave it out")


def _check_only_sound(options: ReadOptions) -> None:
    """Refuse what only images can follow beside what only recordings can."""
    for how in (options.patches, options.images):
        if how is not None:
            option = next(iter(how.requested()))
            raise InputError(f"--{option} is for images and --sound for recordings; give one")


def _open_matrix(file: InputFile, inner: str | None, found: Format, memory: int) -> Dataset:
    if found is Format.HDF5:
        dataset = open_dataset(file, inner, memory)
        return dataset if inner is None else _with_labels_beside(dataset, file, inner)
    if found in ARRAYS:
        return ARRAYS[found](file, inner, memory)
    if found is Format.NPZ:
        return npy.load_npz(file, inner)
    return _open_single(file, inner, found, memory)


def _open_single(file: InputFile, inner: str | None, found: Format, memory: int) -> Dataset:
    """Open a file of a format that holds one matrix."""
    if found is Format.OLD_MATLAB:
        matlab.refuse_old(file.path)
    if inner is not None:
        raise InputError(f"{file}: has nothing to choose from by ::{inner}; give the file alone")
    if found is Format.SPARSE_NPZ:
        return scipy_npz.load(file, memory)
    return idx.load(file) if found is Format.IDX else npy.load_npy(file, memory)


def _with_labels_beside(dataset: Dataset, input_file: InputFile, inner: str) -> Dataset:
    """Add the labels that lie in the same group as rows in anyone's HDF5 file."""
    with opening.opened(input_file) as file:
        folder = inner.strip("/").rpartition("/")[0]
        y, notes = hdf5_labels.beside(file, folder, len(dataset.x), inner)
    metadata = replace(dataset.metadata, y=y)
    return replace(dataset, metadata=metadata, notes=(*dataset.notes, *notes))


def _with_labels(dataset: Dataset, labels: LabelsFile) -> Dataset:
    y = labels.load(len(dataset.x))
    if len(y) != len(dataset.x):
        raise InputError(
            f"{labels.spec}: holds {len(y)} labels for the {len(dataset.x)} rows of "
            f"{dataset.source}; give exactly one a row"
        )
    told = f"the labels are those of {labels.spec}, not those beside the rows"
    notes = dataset.notes if dataset.y is None else (*dataset.notes, told)
    return replace(dataset, metadata=replace(dataset.metadata, y=y), notes=notes)
