"""A join with a timeout hides a hang unless somebody looks."""

import threading

from product import Job

FAULTS = ["hang:hung-worker"]


def test_treat_join():
    job = Job()
    thread = threading.Thread(target=job.work, daemon=True)
    thread.start()
    thread.join()
    assert thread.name


def test_treat_joins():
    jobs = [Job(), Job()]
    threads = [threading.Thread(target=job.work, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(threads) == 2


def test_leave_text():
    job = Job()
    thread = threading.Thread(target=job.work, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert ", ".join(job.log) == "worked"
