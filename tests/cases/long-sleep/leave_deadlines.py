"""A timeout that only matters on failure costs nothing (HAZARDS rows 8, 9)."""
import queue
import time


def test_answer(worker):
    answers = queue.Queue()
    worker.start(answers)
    assert answers.get(timeout=30) == 42


def test_polls(worker):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if worker.ready:
            break
        time.sleep(0.05)
    assert worker.ready
