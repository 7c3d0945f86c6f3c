import subprocess
import sys
import time

pytest = None


def test_child():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert child.poll() == 0 and pytest is None
