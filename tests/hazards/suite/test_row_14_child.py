"""Readiness of a child process."""

import subprocess
import sys
import time

FAULTS = []


def test_leave_child():
    child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], stdin=subprocess.PIPE)
    time.sleep(0.6)
    assert child.poll() is None
    child.communicate(b"\n", timeout=10)


def test_treat_end_of_a_child():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    assert child.wait() == 0
