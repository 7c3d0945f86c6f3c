import os
import time


def test_file_comes(worker, tmp_path):
    worker.write(os.fspath(tmp_path))
    time.sleep(0.5)
    assert (tmp_path / "out").exists()


def test_event(worker):
    worker.go()
    time.sleep(0.5)
    assert worker.done.is_set() and "job" in worker.log
