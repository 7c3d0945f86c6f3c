"""These end by themselves, so there are never many."""

import pytest

from app import Job


@pytest.mark.parametrize("number", range(10))
def test_jobs(number):
    job = Job()
    job.start()
    assert number < 10
