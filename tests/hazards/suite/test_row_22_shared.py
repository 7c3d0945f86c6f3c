"""A value that is parametrized, shared or imported: every use or none."""

import time

import pytest
from product import Cache

FAULTS = ["never-expires", "expires-early"]

TTL = 0.8


@pytest.mark.parametrize("ttl", [0.3, 0.6])
def test_leave_parametrized(ttl):
    cache = Cache(ttl)
    cache.put("a", 1)
    time.sleep(ttl + 0.1)
    assert cache.get("a") is None


def test_treat_shared():
    cache = Cache(ttl=TTL)
    cache.put("a", 1)
    time.sleep(TTL + 0.3)
    assert cache.get("a") is None


def test_treat_shared_half():
    cache = Cache(ttl=TTL)
    cache.put("a", 1)
    time.sleep(TTL - 0.3)
    assert cache.get("a") == 1
