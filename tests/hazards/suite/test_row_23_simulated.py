"""A sleep in a double that simulates slowness, against the caller's timeout."""

import queue
import threading
import time

import pytest

FAULTS = []


def test_treat_slow_double():
    answers = queue.Queue()

    def slow():
        time.sleep(1.0)
        answers.put(1)

    thread = threading.Thread(target=slow)
    thread.start()
    with pytest.raises(queue.Empty):
        answers.get(timeout=0.4)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_leave_quick_double():
    answers = queue.Queue()

    def quick():
        time.sleep(0.1)
        answers.put(1)

    thread = threading.Thread(target=quick)
    thread.start()
    assert answers.get(timeout=4) == 1
    thread.join(timeout=5)
    assert not thread.is_alive()
