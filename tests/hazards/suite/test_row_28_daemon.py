"""A daemon thread that nobody ends: told, and left a daemon."""

import threading
import time

from product import Job

FAULTS = ["no-result"]


def test_leave_daemon():
    stop = threading.Event()

    def work():
        while not stop.wait(0.01):
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    job = Job().start()
    assert job.done.wait(timeout=3) and job.result == "right"
    stop.set()


def test_treat_short_worker():
    job = Job()
    thread = threading.Thread(target=job.work, daemon=True)
    thread.start()
    time.sleep(0.7)
    assert job.log == ["worked"]
