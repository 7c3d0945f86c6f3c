"""The decorator would take the light class's test away as well."""

import subprocess
import sys
import time


class Waits:
    def test_child(self):
        child = subprocess.Popen([sys.executable, "-c", "pass"])
        time.sleep(0.2)
        assert child.poll() == 0


class TestLong(Waits):
    def setup_method(self):
        subprocess.run([sys.executable, "-c", "pass"])
        time.sleep(2)


class TestShort(Waits):
    pass
