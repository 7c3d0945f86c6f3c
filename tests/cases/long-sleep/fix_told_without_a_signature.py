"""What the code under test is told to wait, where no signature says so: a dict, an attribute, the number of `call_later`."""
import asyncio
import time
import unittest


def test_dict(machine):
    states = ["A", {"name": "B", "timeout": 1.0, "on_timeout": "C"}]
    m = machine(states=states)
    m.to_B()
    time.sleep(1.5)
    assert m.state == "C"


def test_attribute(machine):
    machine.state("C").timeout = 0.8
    machine.to_C()
    time.sleep(1.5)
    assert machine.state == "D"


def test_cancelled(executor):
    calls = []
    task = executor.submit_after(0.5, calls.append)
    task.cancel()
    time.sleep(1.0)
    assert task.cancelled()
    assert calls == []


def test_fraction(registry):
    registry.put("key", 0.7)
    time.sleep(1.5)
    assert registry.gone("key")


def test_stored_for_whole_seconds(cache):
    cache.set("key", "value", expire=3)
    time.sleep(4.5)
    assert cache.get("key") is None


class LoopTest(unittest.TestCase):
    def test_timeout(self):
        async def f():
            await asyncio.sleep(1)

        self.assertRaises(TimeoutError, self.loop.run_sync, f, timeout=0.05)
