"""Sleeps in the source of a child process are the child's."""

import subprocess
import sys
import time

FAULTS = []

PROGRAM = """
import time
time.sleep(0.6)
print("done")
"""


def test_leave_source():
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    time.sleep(0.55)
    out, _ = child.communicate(timeout=30)
    assert out.strip() == b"done"


def test_treat_communicate():
    child = subprocess.Popen([sys.executable, "-c", "print('done')"], stdout=subprocess.PIPE)
    out, _ = child.communicate()
    assert out.strip() == b"done"
