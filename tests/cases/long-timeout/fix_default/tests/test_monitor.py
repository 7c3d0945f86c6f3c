"""The product waits 2 s by default: the test says 0.1 instead, and the product stays as it is."""
import time

from app.monitor import Monitor


def test_silence():
    monitor = Monitor("a")
    time.sleep(2.5)
    assert monitor.silent


def test_silence_told_twice():
    monitor = Monitor("a", 2.0)
    time.sleep(2.5)
    assert monitor.timeout == 2.0
