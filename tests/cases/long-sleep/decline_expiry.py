"""What expires after a time that the test does not say is not waited for by guessing (HAZARDS rows 2, 7)."""
import time
from datetime import timedelta

LEASE = timedelta(seconds=3)


class TestCache:
    EXPIRY = 2.5

    def test_class_constant(self, cache):
        cache.put("k", 1)
        time.sleep(self.EXPIRY)
        assert "k" not in cache


def test_lease(lock):
    time.sleep(LEASE.total_seconds())
    assert not lock.held
