"""A limit on the test itself is no wait of it."""

import time

import pytest
from product import Job

FAULTS = ["no-result"]


@pytest.mark.timeout(30)
def test_treat_under_a_limit():
    job = Job().start()
    time.sleep(0.7)
    assert job.result == "right"


@pytest.mark.timeout(30)
def test_leave_under_a_limit():
    job = Job().start()
    assert job.done.wait(timeout=10)
    assert job.result == "right"
