"""Rows from whatever a person has: HDF5, AnnData, MATLAB, NumPy, idx, text, images; the digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpuae.errors import InputError
from gpuae.importers import (
    digits,
    h5ad,
    hdf5_labels,
    idx,
    images,
    matlab,
    named_files,
    npy,
    pandas_hdf5,
    parquet,
    patches,
    scipy_npz,
    sheet,
    sound,
    table,
)
from gpuae.importers.detect import Format, detect, split_spec
from gpuae.importers.labels import LabelsFile, WeightsFile
from gpuae.importers.named_files import NamedFiles
from gpuae.importers.options import AS_IT_IS, ImageOptions, PatchOptions, ReadOptions, SoundOptions
from gpuae.importers.pillow import ENDINGS
from gpuae.importers.roles import with_columns
from gpuae.memory import data_memory
from gpuae.storage.files.input_file import Input, InputFile
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
    "files_of",
    "open_data",
    "opened",
    "path_of",
    "split_spec",
]

TABLES = {Format.TABLE: table.load, Format.PARQUET: parquet.load}
"""Formats whose columns can be other things than features."""


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
        version 7.3, idx (gzipped or not), .npy, .npz (also SciPy's of a CSR matrix), a workbook, or
        a table of text with a header. `file::name` chooses within HDF5, .h5ad, .mat, .npz and
        workbooks. `./digits` is
        a file of that name.
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
    """Return the file that a person calls DATA, whether it is there or not; None if in none."""
    return None if spec == digits.NAME else split_spec(spec)[0]


def opened(spec: str) -> Input | None:
    """Open what a person calls DATA: a file, or images in a folder; None for built-in data.

    Raises
    ------
    InputError
        When it is missing, empty, or not ours to read, and for folders and patterns of no images.
    """
    path = path_of(spec)
    if path is None:
        return None
    found = named_files.files_of(path)
    if found is None and path.is_dir():
        raise InputError(
            f"{path}: is a folder without images, whose names end in {', '.join(ENDINGS)}; give a "
            f"file in it, or cut its images {images.CUT.format(path)}"
        )
    return found or InputFile(path)


def files_of(spec: str, options: ReadOptions = AS_IT_IS) -> tuple[Path, ...]:
    """Return the files that rows are read from: several where they are images in a folder."""
    path = path_of(spec)
    if path is None:
        return ()
    if options.patches is not None:
        return patches.image_files(path)
    if options.sound is not None:
        recordings = sound.opened(path)
        return recordings.files if isinstance(recordings, NamedFiles) else (path,)
    found = named_files.files_of(path)
    return found.files if found else (path,)


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
        rows = sound.load(split_spec(spec)[0], options.sound, memory)
        return with_columns(rows, options)
    if options.patches is not None:
        _check_of_text(spec, options)
        return with_columns(patches.load(Path(spec), options.patches), options)
    file = file or opened(spec)
    if isinstance(file, NamedFiles):
        _check_of_text(spec, options)
        return with_columns(images.load(file, options, memory), options)
    assert isinstance(file, InputFile)  # the digits are in none
    return _open_file(file, split_spec(spec)[1], memory, options)


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
    if found is Format.H5AD:
        return h5ad.load(file, inner, memory)
    if found is Format.MATLAB:
        return matlab.load(file, inner, memory)
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
    return {Format.IDX: idx.load, Format.NPY: npy.load_npy}[found](file)


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
