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
