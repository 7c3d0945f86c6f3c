"""A time to live equal to the sleep: on a knife's edge."""

import time

from product import Cache

FAULTS = ["never-expires"]


def test_leave_equal():
    cache = Cache(ttl=0.6)
    cache.put("a", 1)
    time.sleep(0.6)
    assert cache.get("a") is None


def test_treat_apart():
    cache = Cache(ttl=0.6)
    cache.put("a", 1)
    time.sleep(0.9)
    assert cache.get("a") is None
