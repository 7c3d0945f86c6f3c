import signal
import subprocess
import time


def test_child():
    child = subprocess.Popen(["true"])
    time.sleep(2)
    child.wait(timeout=5)


def test_alarm():
    signal.alarm(5)
    time.sleep(2)
