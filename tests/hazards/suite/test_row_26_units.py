"""Milliseconds beside seconds."""

import time
from datetime import timedelta

from product import Cache

FAULTS = ["never-expires"]

TTL = timedelta(milliseconds=700)
GRACE_MS = 1000


def test_treat_timedelta():
    cache = Cache(ttl=TTL.total_seconds())
    cache.put("a", 1)
    time.sleep(GRACE_MS / 1000)
    assert cache.get("a") is None


def test_leave_text():
    cache = Cache(ttl=float("0.6s".rstrip("s")))
    cache.put("a", 1)
    time.sleep(float("0.8s".rstrip("s")))
    assert cache.get("a") is None
