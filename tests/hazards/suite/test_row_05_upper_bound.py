"""An upper bound on the time that something takes."""

import time

from product import Job

FAULTS = ["missed-set"]


def test_leave_bound():
    job = Job().start()
    start = time.monotonic()
    assert job.done.wait(timeout=2)
    assert time.monotonic() - start < 1.5


def test_treat_sleep_beside_it():
    start = time.monotonic()
    time.sleep(0.7)
    job = Job().start()
    assert job.done.wait(timeout=2)
    assert time.monotonic() - start < 3
