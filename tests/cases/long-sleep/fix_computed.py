"""What is computed from a constant and slept keeps a floor of its own."""

import time

TTL = 0.9


def test_half(make_cache):
    cache = make_cache(ttl=TTL)
    time.sleep(TTL - 0.3)
    assert cache.get("a") == 1


def test_over(make_cache):
    cache = make_cache(ttl=TTL)
    time.sleep(TTL + 0.3)
    assert cache.get("a") is None
