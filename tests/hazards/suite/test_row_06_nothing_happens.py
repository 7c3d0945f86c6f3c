"""Nothing happens within a while."""

import time

from product import Monitor, mute

FAULTS = ["fires-early", "feed-ignored", "calls-anyway"]


def test_leave_with_nothing_to_wait_for():
    monitor = Monitor(timeout=1.2).start()
    time.sleep(0.7)
    assert not monitor.silent
    monitor.stop()


def test_treat_fed():
    monitor = Monitor(timeout=0.9).start()
    time.sleep(0.6)
    monitor.feed("x")
    time.sleep(0.6)
    assert not monitor.silent
    monitor.stop()


def test_leave_short():
    monitor = Monitor(timeout=0.4).start()
    time.sleep(0.2)
    assert not monitor.silent
    monitor.stop()


def test_leave_silence_without_a_number():
    called = []
    mute(called.append)
    time.sleep(0.7)
    assert not called
