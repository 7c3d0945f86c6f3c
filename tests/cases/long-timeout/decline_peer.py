import subprocess
import time


def test_child_decides(make_monitor):
    child = subprocess.Popen(["sleep", "1"])
    monitor = make_monitor(timeout=2.0)
    time.sleep(2.5)
    assert monitor.silent
    child.wait(timeout=5)
