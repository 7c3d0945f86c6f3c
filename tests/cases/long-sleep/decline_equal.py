"""A TTL that equals the sleep is luck already (HAZARDS row 3)."""
import time

from app.cache import Cache


def test_expires():
    cache = Cache(ttl=2)
    cache.put("k", 1)
    time.sleep(2)
    assert cache.get("k") is None
