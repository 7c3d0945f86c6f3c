"""A duration may be written in many ways; the number that is written is what shrinks."""
import time
from datetime import timedelta

SETTLE = 2.0
GRACE_MS = 1500
FLUSHED = timedelta(seconds=3)


class TestCache:
    SETTLED = 2.5

    def setup_method(self):
        self.delay = 1.2

    def test_class_constant(self, cache):
        cache.put("k", 1)
        time.sleep(self.SETTLED)
        assert cache.flushed

    def test_constant_by_class(self, cache):
        cache.put("k", 1)
        time.sleep(TestCache.SETTLED)
        assert cache.flushed

    def test_attribute(self, cache):
        cache.put("k", 1)
        time.sleep(self.delay)
        assert cache.flushed


def test_module_constant(cache):
    cache.put("k", 1)
    time.sleep(SETTLE)
    assert cache.flushed


def test_arithmetic(cache):
    cache.put("k", 1)
    time.sleep(GRACE_MS / 1000)
    assert cache.flushed


def test_local(cache):
    wait = 60 * 0.02
    time.sleep(wait)
    assert cache.flushed


def test_timedelta(cache):
    time.sleep(FLUSHED.total_seconds())
    assert cache.flushed
