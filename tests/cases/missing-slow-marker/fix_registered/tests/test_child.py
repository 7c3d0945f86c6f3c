import subprocess
import sys
import time


def test_child():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert child.poll() == 0
