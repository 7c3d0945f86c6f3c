"""pytest is there under another name; each set of parameters counts."""

import subprocess
import sys
import time

import pytest as py


@py.mark.parametrize("n", [1, 2, 3])
def test_child(n):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(1.5)
    assert child.poll() == 0 and n
