import pytest
from exchange_models import model_of


@pytest.fixture
def model():
    """An ordinary model with names of columns and a threshold."""
    return model_of()
