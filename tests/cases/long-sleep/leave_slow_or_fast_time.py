import time

import pytest


@pytest.mark.slow
def test_marked():
    time.sleep(5)


@pytest.mark.slow
class TestMarked:
    def test_method(self):
        time.sleep(5)


class TestMarkedByAttribute:
    pytestmark = [pytest.mark.slow]

    def test_method(self):
        time.sleep(5)


def test_virtual(fast_time):
    time.sleep(5)


@pytest.mark.usefixtures("fast_time")
def test_virtual_by_mark():
    time.sleep(5)
