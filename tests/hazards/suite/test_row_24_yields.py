"""Tiny sleeps only yield."""

import time

from product import Job

FAULTS = ["no-result"]


def test_leave_yields():
    job = Job().start()
    while job.result is None and not job.done.is_set():
        time.sleep(0)
        time.sleep(0.001)
    assert job.result == "right"


def test_treat_a_long_one():
    job = Job().start()
    time.sleep(0)
    time.sleep(0.7)
    assert job.result == "right"
