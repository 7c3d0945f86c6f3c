import time


def test_finished(worker):
    worker.submit("job")
    time.sleep(1.0)
    assert worker.finished == ["job"]
