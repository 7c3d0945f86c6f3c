"""A store that was given a fraction of a second takes others as well; what is no time to live is no store's."""
import time


def test_ttl(store):
    store.put("key", "value", ttl=1.5)
    time.sleep(2)
    assert store.get("key") is None


def test_whole_seconds_get_fewer(store):
    store.put("key", "value", ttl=3)
    time.sleep(4)
    assert store.get("key") is None


def test_timeout(make_monitor):
    monitor = make_monitor(timeout=1)
    time.sleep(1.5)
    assert monitor.silent
