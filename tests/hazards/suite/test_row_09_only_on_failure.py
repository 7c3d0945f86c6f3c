"""A timeout that only matters when something fails."""

import queue
import time

from product import Job

FAULTS = ["hang:missed-item", "wrong-item"]


def test_leave_timeout():
    items = queue.Queue()
    Job().send_to(items)
    assert items.get(timeout=3) == "item"


def test_treat_none():
    items = queue.Queue()
    Job().send_to(items)
    assert items.get() == "item"


def test_treat_sleep_beside_it():
    items = queue.Queue()
    time.sleep(0.7)
    Job().send_to(items)
    assert items.get(timeout=3) == "item"


def test_treat_two_sleeps_as_long_as_the_timeout():
    items = queue.Queue()
    time.sleep(0.5)
    Job(after=0.3).send_to(items)
    assert items.get(timeout=1) == "item"
    time.sleep(0.5)
    Job(after=0.3).send_to(items)
    assert items.get(timeout=1) == "item"
