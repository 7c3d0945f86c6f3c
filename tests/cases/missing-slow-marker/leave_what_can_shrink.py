"""A better fix comes first; what is marked, on virtual time or light is left alone."""

import subprocess
import sys
import threading
import time

import pytest


class Monitor:
    def __init__(self, timeout):
        self.timeout = timeout


def test_shrinks():
    done = threading.Event()
    threading.Timer(1.0, done.set).start()
    time.sleep(1.5)
    assert done.is_set()


@pytest.mark.slow
def test_is_marked():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert child.poll() == 0


def test_has_virtual_time(fast_time):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert child.poll() == 0


def test_rounds():
    total = 0
    for i in range(5_000):
        total += 1
    assert total == 5_000


def test_light():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(0.3)
    assert child.poll() == 0


def test_is_meant_to_sleep():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)  # testdiet: ignore[long-sleep] the child takes so long
    assert child.poll() == 0


def long_work():
    time.sleep(2)


def test_cancels_what_sleeps(pool):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    future = pool.schedule(long_work)
    assert future.cancel()
    assert child.wait(timeout=5) == 0
