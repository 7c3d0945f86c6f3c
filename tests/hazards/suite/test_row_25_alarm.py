"""An alarm of the system beside a sleep."""

import signal
import time

import pytest

FAULTS = []


class Rang(Exception):
    pass


def ring(number, frame):
    raise Rang


def test_leave_alarm():
    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(Rang):
            time.sleep(0.8)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_treat_no_alarm():
    start = time.monotonic()
    time.sleep(0.7)
    assert time.monotonic() > start
