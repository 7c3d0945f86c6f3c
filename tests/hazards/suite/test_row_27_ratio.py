"""A timeout and an interval, whose ratio is a number of polls."""

import time

from product import Poller

FAULTS = ["polls-seldom"]


def test_treat_polls():
    calls = []
    poller = Poller(lambda: calls.append(1), interval=0.6).start()
    time.sleep(1.5)
    poller.stop()
    assert len(calls) == 2


def test_leave_quick_polls():
    calls = []
    poller = Poller(lambda: calls.append(1), interval=0.1).start()
    time.sleep(0.25)
    poller.stop()
    assert len(calls) == 2
