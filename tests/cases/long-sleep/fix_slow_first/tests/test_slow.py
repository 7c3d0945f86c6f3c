import time

import pytest


def settle():
    time.sleep(1.0)


def test_one():
    settle()
    assert True


@pytest.mark.parametrize("number", [1, 2])
def test_two(number):
    settle()
    assert number


def test_three():
    time.sleep(2.0)
    assert True
