import pytest


@pytest.mark.slow
def test_it():
    assert True
