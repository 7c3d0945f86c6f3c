"""A lower bound on the time that something takes."""

import time

import pytest
from product import Monitor, retry

FAULTS = ["no-delay", "never-fires"]


def fails():
    raise OSError


def test_treat_quiet_for():
    monitor = Monitor(timeout=0.8).start()
    time.sleep(1.2)
    assert monitor.quiet_for >= 0.8
    monitor.stop()


def test_leave_delay_of_a_helper():
    start = time.monotonic()
    with pytest.raises(OSError):
        retry(fails, 2, 0.2)
    assert time.monotonic() - start >= 0.2
