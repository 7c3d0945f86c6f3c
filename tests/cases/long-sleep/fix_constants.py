"""A duration may be written in many ways; the number that is written is what shrinks."""
import time
from datetime import timedelta

SETTLE = 2.0
GRACE_MS = 1500
LEASE = timedelta(seconds=3)


class TestCache:
    EXPIRY = 2.5

    def setup_method(self):
        self.delay = 1.2

    def test_class_constant(self, cache):
        cache.put("k", 1)
        time.sleep(self.EXPIRY)
        assert "k" not in cache

    def test_constant_by_class(self, cache):
        cache.put("k", 1)
        time.sleep(TestCache.EXPIRY)
        assert "k" not in cache

    def test_attribute(self, cache):
        cache.put("k", 1)
        time.sleep(self.delay)
        assert "k" not in cache


def test_module_constant(cache):
    cache.put("k", 1)
    time.sleep(SETTLE)
    assert "k" not in cache


def test_arithmetic(cache):
    cache.put("k", 1)
    time.sleep(GRACE_MS / 1000)
    assert "k" not in cache


def test_local(cache):
    wait = 60 * 0.02
    time.sleep(wait)
    assert "k" not in cache


def test_timedelta(cache):
    time.sleep(LEASE.total_seconds())
    assert "k" not in cache
