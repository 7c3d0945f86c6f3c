"""The deadline of a poll costs nothing; its interval does."""

import time

from product import Job

FAULTS = ["missed-set", "no-result"]


def test_treat_interval():
    job = Job().start()
    deadline = time.monotonic() + 2
    while not job.done.is_set() and time.monotonic() < deadline:
        time.sleep(0.4)
    assert job.done.is_set()


def test_treat_rounds():
    job = Job().start()
    for _ in range(5):
        if job.result is not None:
            break
        time.sleep(0.3)
    assert job.result == "right"


def test_leave_fast():
    job = Job().start()
    deadline = time.monotonic() + 2
    while job.result is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.result == "right"


def test_leave_rounds_that_are_counted():
    job = Job(after=0.9).start()
    rounds = 0
    while job.result is None:
        time.sleep(0.4)
        rounds += 1
        if rounds > 5:
            break
    assert job.result == "right"
