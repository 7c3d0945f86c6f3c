"""Each file is told once, however often the mark is used."""

import pytest
from pytest import mark

pytestmark = [pytest.mark.slow]
tired = pytest.mark.slow(reason="it is")


@tired
def test_named():
    assert True


@mark.slow
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_parameters(n):
    assert n
