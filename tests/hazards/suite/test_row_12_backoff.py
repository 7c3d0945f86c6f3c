"""Attempts of a retry: their number stays."""

import time

import pytest
from product import retry

FAULTS = ["one-attempt-less", "no-delay"]


def test_leave_attempts():
    calls = []

    def fails():
        calls.append(time.monotonic())
        raise OSError

    with pytest.raises(OSError):
        retry(fails, attempts=3, delay=0.1)
    assert len(calls) == 3
    assert calls[1] - calls[0] >= 0.1


def test_treat_slow_retry():
    calls = []

    def fails():
        calls.append(1)
        raise OSError

    with pytest.raises(OSError):
        retry(fails, attempts=3, delay=0.1)
    time.sleep(0.6)
    assert len(calls) == 3
