"""A constant of the product is waited on."""

import time

from product import LEASE, Cache

FAULTS = ["never-expires"]


def test_leave_imported():
    cache = Cache(ttl=LEASE)
    cache.put("a", 1)
    time.sleep(LEASE + 0.2)
    assert cache.get("a") is None


def test_treat_default_passed_explicitly():
    cache = Cache()
    cache.put("a", 1)
    time.sleep(1.3)
    assert cache.get("a") is None
