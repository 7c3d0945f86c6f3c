"""Whole seconds: less than one may or may not show."""

import time

from product import Job, store

FAULTS = ["no-result", "never-expires"]


def test_leave_whole_seconds():
    start = int(time.time())
    job = Job().start()
    time.sleep(1.1)
    assert int(time.time()) - start >= 1
    assert job.result == "right"


def test_treat_fraction():
    job = Job().start()
    time.sleep(0.7)
    assert job.result == "right"


def test_leave_beyond_whole_seconds():
    kept = store(ttl=1)
    kept.put("a", 1)
    assert kept.get("a") == 1
    time.sleep(1.5)
    assert kept.get("a") is None
