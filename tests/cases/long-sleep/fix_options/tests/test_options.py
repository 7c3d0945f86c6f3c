import time

from app import Monitor, Options, Pair


def test_default():
    monitor = Monitor(Options())
    time.sleep(1.8)
    assert monitor.fired


def test_by_position():
    monitor = Monitor(Options("one", 1.5))
    time.sleep(1.8)
    assert monitor.fired


def test_tuple():
    monitor = Monitor(Pair("one"))
    time.sleep(1.8)
    assert monitor.fired
