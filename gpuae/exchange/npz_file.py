"""A model as plain arrays in one npz, with a text that says what is done with them."""

from __future__ import annotations

import io

import numpy as np

from gpuae.exchange.computation import Matrix, Results
from gpuae.exchange.named_arrays import AS_HERE
from gpuae.exchange.task import Task, Written

ABOUT = "about"
"""Name of the text, JSON of `gpuae.exchange.about`."""


def written(task: Task) -> Written:
    """Return the file of a model."""
    buffer = io.BytesIO()
    arrays = AS_HERE.arrays(task.computation)
    np.savez(buffer, allow_pickle=False, **arrays, **{ABOUT: np.array(task.about.json())})
    content = buffer.getvalue()

    def run(rows: Matrix) -> Results:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return AS_HERE.computation(stored, task.computation).run(rows)

    use = (
        "import json\n\nimport numpy as np\n\n"
        f"arrays = np.load({task.path.name!r})\n"
        f'layers = json.loads(str(arrays[{ABOUT!r}]))["layers"]'
    )
    return Written({task.path: content}, run, use=use)
