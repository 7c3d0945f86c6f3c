"""A leaked thread writes into the next test."""

import threading

from product import Monitor

# Nobody stopped it: whether it can be stopped shows afterwards only.
FAULTS = ["+never-stops"]


def test_treat_leaked_monitor():
    monitor = Monitor(timeout=5)
    monitor.start()
    assert not monitor.silent


def test_leave_stopped():
    monitor = Monitor(timeout=5)
    monitor.start()
    monitor.stop()
    assert not monitor.silent
    assert threading.active_count()
