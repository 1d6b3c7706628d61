import json

import h5py
import numpy as np
import pytest
from refusals import refused


@pytest.fixture
def models(gpuae):
    """A model a.h5 of rows.npy and b.h5 of the codes that it makes, ca.h5."""
    np.save("rows.npy", np.random.default_rng(0).random((80, 6), dtype=np.float32))
    fit = ("--epochs", 2, "--validation", 0)
    for arguments in (
        ("fit", "rows.npy", "-o", "a.h5", "--hidden", 4, *fit),
        ("encode", "a.h5", "rows.npy", "-o", "ca.h5"),
        ("fit", "ca.h5", "-o", "b.h5", "--hidden", 2, *fit),
        ("encode", "b.h5", "ca.h5", "-o", "cb.h5"),
    ):
        assert gpuae(*arguments).code == 0


def codes(name):
    with h5py.File(name) as file:
        return file["/features/code"][:]


def test_a_stack_encodes_as_its_models_do_and_says_what_it_is_made_of(gpuae, models):
    outcome = gpuae("stack", "a.h5", "b.h5", "-o", "whole.h5")
    assert outcome.code == 0
    assert "wrote 6-" in outcome.out
    assert gpuae("encode", "whole.h5", "rows.npy", "-o", "c.h5").code == 0
    np.testing.assert_allclose(codes("c.h5"), codes("cb.h5"), rtol=1e-4, atol=1e-5)
    assert gpuae("verify", "whole.h5", "a.h5", "b.h5", "ca.h5").code == 0
    with h5py.File("whole.h5") as file:
        made = json.loads(file.attrs["provenance_json"])
    assert [source["role"] for source in made["sources"]] == ["model_1", "model_2"]


def test_a_stack_is_trained_on_without_saying_again_what_it_is(gpuae, models):
    assert gpuae("stack", "a.h5", "b.h5", "-o", "whole.h5").code == 0
    outcome = gpuae("fit", "rows.npy", "-o", "tuned.h5", "--init-from", "whole.h5", "--epochs", 2)
    assert outcome.code == 0, outcome.err
    with h5py.File("whole.h5") as whole, h5py.File("tuned.h5") as tuned:
        for name in ("hidden", "activation", "code_activation"):
            one, other = (json.loads(own.attrs["config_json"])[name] for own in (whole, tuned))
            assert one == other


def test_what_is_no_stack_is_refused(gpuae, models):
    refused(gpuae("stack", "b.h5", "a.h5", "-o", "no.h5"), "model 2", "6 columns", "2 units")
    refused(gpuae("stack", "a.h5", "-o", "no.h5"), "two or more")
    refused(gpuae("stack", "a.h5", "ca.h5", "-o", "no.h5"), "ca.h5", "features")
    refused(gpuae("stack", "a.h5", "b.h5", "-o", "b.h5", "--force"), "b.h5", "another name")
    refused(gpuae("stack", "a.h5", "b.h5", "-o", "ca.h5"), "ca.h5", "--force")
