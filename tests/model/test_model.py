import json

import h5py
import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model.model import Model
from gpuae.training.fitting import fit


def test_a_model_that_does_not_say_what_its_output_is_is_refused(tmp_path):
    x = np.random.default_rng(0).random((20, 4))
    fit(x, Config.parse({"hidden": 2, "epochs": 0, "device": "numpy"})).model.save(
        tmp_path / "m.h5"
    )
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        settings = json.loads(file.attrs["config_json"])
        file.attrs["config_json"] = json.dumps({**settings, "output_activation": "auto"})
    with pytest.raises(InputError, match=r"m\.h5: its settings do not say .*output_activation"):
        Model.load(tmp_path / "m.h5")


def test_the_size_of_a_file_is_known_before_it_is_written(tmp_path):
    x = np.random.default_rng(0).random((20, 400))
    names = ("n" * 2000, *map(str, range(399)))
    config = Config.parse({"hidden": 2, "epochs": 0, "device": "numpy"})
    model = fit(x, config, feature_names=names).model
    model.save(tmp_path / "m.h5")
    assert abs(model.nbytes - (tmp_path / "m.h5").stat().st_size) < 1 << 16
