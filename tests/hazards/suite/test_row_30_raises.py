"""A sleep inside `pytest.raises(Timeout)`."""

import concurrent.futures
import time

import pytest

FAULTS = []


def test_treat_raises_timeout():
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(time.sleep, 1.0)
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(timeout=0.4)


def test_leave_in_time():
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(time.sleep, 0.1)
        assert future.result(timeout=4) is None
