"""A sleep counts wherever it stands in the test code."""
import time


def wait_for_flush(buffer, delay=1.5):
    time.sleep(delay)
    return buffer.flushed


def unused():
    time.sleep(3)


def test_flush(buffer):
    assert wait_for_flush(buffer)
