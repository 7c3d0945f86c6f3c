"""A sleep that exceeds a timeout in order to expire it."""

import time

from product import Cache, Monitor

FAULTS = ["never-expires", "never-fires", "fires-early"]


def test_treat_ttl():
    cache = Cache(ttl=0.7)
    cache.put("a", 1)
    assert cache.get("a") == 1
    time.sleep(1.0)
    assert cache.get("a") is None


def test_treat_timeout_and_half_of_it():
    monitor = Monitor(timeout=0.8).start()
    time.sleep(0.5)
    assert not monitor.silent
    time.sleep(0.6)
    assert monitor.silent
    monitor.stop()


def test_leave_short():
    cache = Cache(ttl=0.1)
    cache.put("a", 1)
    time.sleep(0.2)
    assert cache.get("a") is None
