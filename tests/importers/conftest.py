import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real data, which not every machine has."""
    folder = Path(os.environ.get("GPUAE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set GPUAE_DATA, {folder} is not there")
    return folder
