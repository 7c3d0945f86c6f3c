"""A rate limiter: the window and the sleep that lets it pass."""

import time

from product import Limiter

FAULTS = ["window-ignored", "limit-ignored"]


def test_treat_window():
    limiter = Limiter(limit=2, window=0.7)
    assert limiter.hit()
    assert limiter.hit()
    assert not limiter.hit()
    time.sleep(1.0)
    assert limiter.hit()


def test_leave_short_window():
    limiter = Limiter(limit=1, window=0.1)
    assert limiter.hit()
    assert not limiter.hit()
    time.sleep(0.2)
    assert limiter.hit()
