"""A time to live in whole seconds, handed to a store that may take no others (HAZARDS row 13)."""
import time

LIFETIME = 1


def test_ttl(store):
    store.put("key", "value", ttl=1)
    time.sleep(1.1)
    assert store.get("key") is None


def test_constant(store):
    store.put("key", "value", expire=LIFETIME)
    time.sleep(LIFETIME + 0.2)
    assert store.get("key") is None
