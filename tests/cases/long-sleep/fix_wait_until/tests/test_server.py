"""A child process keeps its own time: what is left is to wait for what is asserted."""

import subprocess
import time


def test_file_comes(tmp_path):
    child = subprocess.Popen(["make", "out"], cwd=tmp_path)
    time.sleep(2)
    assert (tmp_path / "out").exists()
    child.wait(timeout=30)
