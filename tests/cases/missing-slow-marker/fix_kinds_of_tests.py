"""Where a decorator goes: above all others, at the function, whatever kind of test it is."""
import asyncio
import subprocess
import sys
import time
import unittest
from unittest.mock import patch


def test_plain():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert child.poll() == 0


@patch("os.getcwd")
@patch("os.getpid")
def test_patched(getpid, getcwd):
    subprocess.run([sys.executable, "-c", "pass"])
    time.sleep(2)
    assert not getpid.called and not getcwd.called


async def test_coroutine():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    await asyncio.sleep(1)
    assert child.poll() == 0


class TestMethods:
    # In front of it.
    @staticmethod
    def test_static():
        child = subprocess.Popen([sys.executable, "-c", "pass"])
        time.sleep(2)
        assert child.poll() == 0

    def test_light(self):
        assert True


class Case(unittest.TestCase):
    def test_method(self):
        child = subprocess.Popen([sys.executable, "-c", "pass"])
        time.sleep(2)
        self.assertEqual(child.poll(), 0)
