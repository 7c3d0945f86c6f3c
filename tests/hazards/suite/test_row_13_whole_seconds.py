"""Whole seconds: less than one may or may not show."""

import time

from product import Job

FAULTS = ["no-result"]


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
