import time

from app import Monitor, Other


def test_default_of_a_default():
    monitor = Monitor("one")
    time.sleep(1.7)
    assert monitor.fired


def test_built_inside():
    monitor = Other()
    time.sleep(1.7)
    assert monitor.fired
