import time

from hypothesis import given, strategies


@given(strategies.integers())
def test_many_times(number):
    time.sleep(2)
    assert number is not None
