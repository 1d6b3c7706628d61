"""--trust-size and --allow-filters at the commands that read files."""

import h5py
import numpy as np
import pytest

from gpuae.storage.files import limits

READERS = (
    "fit",
    "encode",
    "decode",
    "reconstruct",
    "score",
    "evaluate",
    "neighbors",
    "inspect",
    "convert",
    "verify",
)


@pytest.fixture
def bomb(tmp_path):
    """A small file that declares over a thousand times more: 72 MB of zeros."""
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        options = {"chunks": (1500, 6000), "compression": "gzip", "compression_opts": 9}
        file.create_dataset("x", data=np.zeros((12000, 6000), "u1"), **options)
    assert (tmp_path / "bomb.h5").stat().st_size < 100_000
    return "bomb.h5::/x"


def test_a_bomb_is_refused_until_it_is_trusted(gpuae, bomb, tmp_path):
    refused = gpuae("convert", bomb, "out.h5")
    assert refused.code == 2
    assert "bomb.h5::/x: declares 72000000 bytes" in refused.err
    assert "give --trust-size if you trust its source" in refused.err
    assert not (tmp_path / "out.h5").exists()
    assert gpuae("convert", bomb, "out.h5", "--trust-size").code == 0
    assert limits.current() is limits.CAREFUL


@pytest.mark.parametrize("command", READERS)
def test_every_command_that_reads_files_has_the_option(gpuae, command):
    text = gpuae(command, "--help").out
    assert "--trust-size" in text
    assert "--allow-filters" in text


def test_a_filter_of_hdf5plugin_is_refused_until_it_is_allowed(gpuae, tmp_path):
    plugin = pytest.importorskip("hdf5plugin")
    with h5py.File(tmp_path / "packed.h5", "w") as file:
        file.create_dataset("x", data=np.ones((40, 6)), compression=plugin.Zstd())
    for trusted in ((), ("--trust-size",)):
        refused = gpuae("convert", "packed.h5::/x", "out.h5", *trusted)
        assert refused.code == 2
        assert "packed.h5::/x: uses the filter zstd" in refused.err
        assert "give --allow-filters if you trust its source" in refused.err
        assert not (tmp_path / "out.h5").exists()
    assert gpuae("convert", "packed.h5::/x", "out.h5", "--allow-filters").code == 0
    assert not limits.filters_allowed()


def test_a_link_is_refused_however_trusted(gpuae, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.ones((4, 4))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("secret.h5", "/x")
    outcome = gpuae("convert", "link.h5::/x", "out.h5", "--trust-size")
    assert outcome.code == 2
    assert "soft or external link" in outcome.err
