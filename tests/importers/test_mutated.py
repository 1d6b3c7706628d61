"""Files of other programs with changed bytes: each is read or refused in one sentence."""

import json

import pytest
from scipy import sparse

PROGRAM = """
import json, random, resource, sys
from pathlib import Path
from gpuae.errors import InputError
from gpuae.importers import open_data
from gpuae.storage import arrays

resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
folder, name, seeds = Path({folder!r}), {name!r}, range({first}, {last})
original = (folder / name).read_bytes()
counts = dict.fromkeys(("read", "refused"), 0)
for seed in seeds:
    chance = random.Random(seed)
    content = bytearray(original)
    for _ in range(chance.choice((1, 1, 2, 8))):
        content[chance.randrange(len(content))] = chance.choice((0, 1, 127, 128, 255))
    if seed % 8 == 0:
        del content[chance.randrange(len(content)):]
    path = folder / f"mutated-{{name}}"
    path.write_bytes(content)
    try:
        dataset = open_data(str(path), memory=8 if seed % 2 else None)
        arrays.check_finite(dataset.x, dataset.source)
        for _ in arrays.blocks(dataset.x): pass
        counts["read"] += 1
    except InputError as error:
        assert "\\n" not in str(error), seed
        counts["refused"] += 1
    except BaseException:
        print(f"seed {{seed}}", file=sys.stderr)
        raise
print(json.dumps(counts))
"""
LONG = [(first, first + 100) for first in range(100, 1000, 100)]


@pytest.fixture
def write(tmp_path, counts, csr, write_h5ad, write_mat):
    def written(name):
        if name.endswith("h5ad"):
            options = {"compression": "gzip"} if name.startswith("gzip") else {}
            write_h5ad(tmp_path / name, {"X": csr}, **options)
        elif name.endswith("npz"):
            sparse.save_npz(tmp_path / name, csr, compressed=name.startswith("gzip"))
        else:
            write_mat(tmp_path / name, {"X": counts, "y": counts[:, :1]}, chunks=True)

    return written


@pytest.mark.parametrize(
    "seeds", [(0, 100), *(pytest.param(seeds, marks=pytest.mark.long) for seeds in LONG)]
)
@pytest.mark.parametrize("name", ["a.h5ad", "gzip.h5ad", "a.npz", "gzip.npz", "a.mat"])
def test_mutated_files_are_read_or_refused(tmp_path, write, run_python, name, seeds):
    write(name)
    first, last = seeds
    program = PROGRAM.format(folder=str(tmp_path), name=name, first=first, last=last)
    counts = json.loads(run_python(program, timeout=120))
    assert sum(counts.values()) == last - first
    assert counts["refused"]
