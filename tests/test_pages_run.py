"""The examples of README.md and docs/ run as they stand there, on small files of the same names."""

import gzip
import shutil

import h5py
import numpy as np
import pytest
from documents import PAGES, ROOT, blocks, commands, run_shell
from scipy.io import wavfile
from sklearn.datasets import load_digits

from gpuae.cli import run

ELSEWHERE = {"examples.md", "format.md"}
"""Pages whose blocks other tests run."""
OTHERS = {f"coming-from-{name}.md" for name in ("h2o", "keras", "pyod", "scikit-learn")}
SLOW = {"seeing.md", "get-started.md", *OTHERS}
"""Those that draw whole reports, or train for more than an epoch in Python."""
RUN = [
    pytest.param(page, marks=pytest.mark.long if page.name in SLOW else (), id=page.name)
    for page in PAGES
    if page.name not in ELSEWHERE
    and any(kind in ("shell", "python") for kind, _ in blocks(page.read_text("utf-8")))
]
DIGITS = load_digits()
ROWS, LABELS = DIGITS.data[:60].astype(np.uint8), DIGITS.target[:60]
TABLES = ("wine", "new", "sensors", "today", "rows", "test")


def call(*words):
    assert run([str(word) for word in words]) == 0


def write_tables(folder):
    names = ",".join(f"pixel {number}" for number in range(64))
    for name in TABLES:
        np.savetxt(folder / f"{name}.csv", ROWS, "%d", ",", header=names, comments="")
    np.savetxt(folder / "labels.csv", LABELS, "%d")


def write_houses(folder):
    """Write a table of numbers, of categories and of dates."""
    lines = [
        f"{60 + n},{('gas', 'oil')[n % 2]},{'abc'[n % 3]},2026-01-{n + 1}" for n in range(9, 25)
    ]
    (folder / "houses.csv").write_text("\n".join(["area,heating,district,sold", *lines]))


def write_many(folder):
    (folder / "shards").mkdir()
    for number, part in enumerate(np.split(ROWS, 3), start=9):
        np.save(folder / "shards" / f"s{number}.npy", part)
    for month in ("january", "february", "march"):
        shutil.copy(folder / "rows.csv", folder / f"{month}.csv")
    packed = gzip.compress((folder / "rows.csv").read_bytes())
    (folder / "measured.csv.gz").write_bytes(packed)


def write_idx(folder):
    """Write images and labels as MNIST has them."""
    for name, values in (("images-idx3", ROWS.reshape(-1, 8, 8)), ("labels-idx1", LABELS)):
        head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
        with gzip.open(folder / f"train-{name}-ubyte.gz", "wb") as file:
            file.write(head + values.astype(np.uint8).tobytes())


def write_matlab(folder):
    with h5py.File(folder / "rows.mat", "w", userblock_size=512) as file:
        file["X"] = ROWS.T.astype(float)
        file["X"].attrs["MATLAB_class"] = np.bytes_("double")
    with (folder / "rows.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_photographs(folder):
    pillow = pytest.importorskip("PIL.Image")
    (folder / "photographs").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    pillow.fromarray(pixels).save(folder / "photographs" / "one.png")


def write_workbook(folder):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for title in ("April", "May"):
        sheet = book.create_sheet(title)
        for row in [[f"pixel {number}" for number in range(64)], *ROWS.tolist()]:
            sheet.append(row)
    book.save(folder / "sensors.xlsx")
    customers = openpyxl.Workbook()
    customers.active.append(["age", "spent", "city", "plan", "since"])
    for n in range(40):
        since = f"2025-03-{n % 28 + 1:02}"
        customers.active.append([20 + n, 7.5 * n % 50, "abc"[n % 3], "xy"[n % 2], since])
    customers.save(folder / "customers.xlsx")


def write_counts(folder):
    counts = np.random.default_rng(0).poisson(0.4, (60, 30))
    names = ",".join(f"gene {number}" for number in range(30))
    np.savetxt(folder / "counts.csv", counts, "%d", ",", header=names, comments="")


def write_records(folder):
    kind = [(f"pixel {number}", np.uint8) for number in range(64)]
    with h5py.File(folder / "frames.h5", "w") as file:
        file["day"] = np.array(list(map(tuple, ROWS)), kind)


def write_sound(folder):
    (folder / "recordings").mkdir()
    samples = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    wavfile.write(folder / "recordings" / "one.wav", 8000, samples)


def write_models(folder):
    data = folder / "train.h5"
    images, labels = (folder / f"train-{own}-ubyte.gz" for own in ("images-idx3", "labels-idx1"))
    call("convert", images, data, "--labels", labels)
    for name in ("test", "large"):
        shutil.copy(data, folder / f"{name}.h5")
    call("fit", folder / "test.csv", "-o", folder / "model.h5", "--hidden", 8, "--epochs", 2)
    for name in ("a", "b"):
        shutil.copy(folder / "model.h5", folder / f"{name}.h5")
    call("encode", folder / "model.h5", folder / "test.csv", "-o", folder / "features.h5")
    call("compress", folder / "model.h5", data, "-o", folder / "small.h5")


WRITERS = (
    *(write_tables, write_houses, write_many, write_idx, write_matlab, write_photographs),
    *(write_workbook, write_counts, write_records, write_sound, write_models),
)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """A folder with a small file of every name that an example reads."""
    folder = tmp_path_factory.mktemp("stand-ins")
    for write in WRITERS:
        write(folder)
    return folder


def written_by(block):
    """Return the names of files that the commands of a block write."""
    lines = commands(block)
    outputs = {line[line.index("-o") + 1] for line in lines if "-o" in line}
    return outputs | {line[3] for line in lines if line[1] == "convert"}


def briefly(words):
    """Return a command that trains as one that does so for a single epoch."""
    return [*words, "--epochs", "1"] if words[0] in ("fit", "finetune", "sweep") else words


@pytest.mark.filterwarnings("ignore::gpuae.GpuaeWarning")  # an epoch makes no good model
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("page", RUN)
def test_the_examples_of_a_page_run(page, stand_ins, tmp_path, monkeypatch, capsys):
    found = blocks(page.read_text("utf-8"))
    shell = [block for kind, block in found if kind == "shell"]
    folder = tmp_path / "files"
    shutil.copytree(stand_ins, folder)
    for name in set().union(*map(written_by, shell)):
        (folder / name).unlink(missing_ok=True)
    monkeypatch.chdir(folder)
    for kind, block in found:
        if kind == "shell":
            run_shell(block, briefly)
        elif kind == "python":
            names = {"__name__": "example", "X": ROWS}
            exec(compile(block, str(page.relative_to(ROOT)), "exec"), names)


def test_commands_stand_in_blocks_that_are_run():
    for page in PAGES:
        for kind, block in blocks(page.read_text("utf-8")):
            if "gpuae fit" in block and "pip install" not in block:
                assert kind == "shell", block
