import signal
import subprocess
import threading
import time

import pytest


def test_child():
    child = subprocess.Popen(["true"])
    time.sleep(2)
    child.wait(timeout=5)


def test_alarm():
    signal.alarm(5)
    time.sleep(2)


@pytest.fixture(scope="module")
def server(make_server):
    thread = threading.Thread(target=make_server)
    thread.start()
    yield thread
    thread.join(timeout=5)


def test_older_thread(server, took):
    time.sleep(2)
    assert took.seconds == pytest.approx(2, abs=0.1)
