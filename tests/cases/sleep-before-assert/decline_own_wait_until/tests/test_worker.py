import time

from helpers import wait_until


def test_finished(worker):
    wait_until(worker)
    time.sleep(1.0)
    assert worker.finished == ["job"]
