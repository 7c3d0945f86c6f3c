"""A sleep that exceeds a timeout in order to expire it."""

import time

from product import Cache, Monitor, Session, Watchdog

FAULTS = ["never-expires", "never-fires", "fires-early", "never-renewed"]


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


def test_treat_beyond_an_option():
    dog = Watchdog({"timeout": 0.3}).start()
    time.sleep(1.0)
    assert dog.silent
    dog.stop()


def test_treat_beyond_an_attribute():
    monitor = Monitor()
    monitor.timeout = 0.3
    monitor.start()
    time.sleep(1.0)
    assert monitor.silent
    monitor.stop()


def test_treat_what_reading_renews():
    session = Session(ttl=0.8)
    session.put("a", 1)
    time.sleep(0.6)
    assert session.get("a") == 1
    time.sleep(0.6)
    assert session.get("a") == 1
