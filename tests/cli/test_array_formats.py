"""The same rows in every format of arrays are the same to the commands."""

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

FIT = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)


def safetensors(name, rows):
    pytest.importorskip("safetensors.numpy").save_file({"rows": rows}, name)


def arrow(name, rows):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({f"c{place}": rows[:, place] for place in range(rows.shape[1])})
    with pa.ipc.new_file(name, table.schema) as out:
        out.write_table(table)


def zarr(name, rows):
    pytest.importorskip("zarr").create_array(name, data=rows, chunks=(9, 6))


WRITERS = {"rows.safetensors": safetensors, "rows.arrow": arrow, "rows.zarr": zarr}


@pytest.mark.parametrize("name", WRITERS)
def test_training_and_codes_are_those_of_npy(gpuae, model, rows, name):
    WRITERS[name](name, rows)
    assert gpuae("fit", name, "-o", "own.h5", *FIT).code == 0
    for made_by, data, out in (("model.h5", "rows.npy", "a.csv"), ("own.h5", name, "b.csv")):
        done = gpuae("encode", made_by, data, "-o", out, "--memory", 1)
        assert done.code == 0, done.err
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    assert gpuae("verify", "own.h5").code == 0
    assert name in gpuae("inspect", "own.h5").out


@pytest.mark.parametrize("name", WRITERS)
def test_shards_of_every_format_are_joined(gpuae, model, rows, name):
    stem, ending = name.split(".")
    for number, part in enumerate(np.split(rows, [13])):
        WRITERS[name](f"{stem}{number}.{ending}", part)
    done = gpuae("score", "model.h5", f"rows?.{ending}", "-o", "parts.csv")
    assert done.code == 0, done.err
    assert gpuae("score", "model.h5", "rows.npy", "-o", "whole.csv").code == 0
    assert Path("parts.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_half_precision_larger_than_the_memory_is_trained_on(gpuae, rows):
    np.save("half.npy", rows.astype(np.float16))
    np.save("whole.npy", rows.astype(np.float16).astype(np.float32))
    for name in ("half", "whole"):
        done = gpuae("fit", f"{name}.npy", "-o", f"{name}.h5", *FIT, "--memory", 1)
        assert done.code == 0, done.err
        done = gpuae("encode", f"{name}.h5", f"{name}.npy", "-o", f"{name}.csv", "--memory", 1)
        assert done.code == 0, done.err
    assert Path("half.csv").read_bytes() == Path("whole.csv").read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_outputs_are_not_written_in_these_formats(gpuae, model, name):
    refused(gpuae("reconstruct", "model.h5", "rows.npy", "-o", name), "is not written")
