"""A time that cannot be changed along with the sleep: it is in a string, in a function that something unseen runs, or in what is counted."""
import os
import signal
import threading
import time
import unittest


def heavy_processing():
    time.sleep(1)


def kill(pid):
    time.sleep(0.8)
    os.kill(pid, signal.SIGTERM)


class LockTest(unittest.TestCase):
    def setUp(self):
        self.machine.heavy_processing = heavy_processing

    def test_parallel_access(self):
        threading.Thread(target=self.machine.forward).start()
        self.machine.to_C()
        time.sleep(1)
        self.assertEqual(self.machine.state, "C")


def test_policy(cache):
    cache.reset("eviction_policy", "lru-gt-1s")
    cache.fill()
    time.sleep(1.1)
    assert cache.cull() > 0


def test_environment(monkeypatch, worker):
    monkeypatch.setenv("WORKER_TIMEOUT", "0.7")
    worker.start()
    time.sleep(1.5)
    assert worker.over


def test_periodic(worker):
    calls = []
    worker.run(calls.append)
    time.sleep(2)
    assert len(calls) >= 4


def test_meter(meter):
    for n in range(3):
        time.sleep(0.6)
        meter.update(n)
        assert meter.ETA in ("0:01", "0:02")


def test_narrow(cache):
    cache.set("key", 1, expire=0.6)
    time.sleep(0.62)
    assert cache.get("key") is None


def test_hardly_shorter(pool):
    pool.warm_up(0.5)
    time.sleep(0.65)
    assert pool.ready


def test_gives_up(collector):
    rounds = 0
    while collector.alive and rounds < 3:
        rounds += 1
        time.sleep(0.6)
    assert not collector.alive


def test_blamed(runner):
    def slow():
        time.sleep(1)

    trace = runner.interrupted(slow, after=0.05)
    time.sleep(0.6)
    assert "time.sleep(0.6)" not in trace


def test_killed(process):
    threading.Thread(target=kill, args=(process.pid,)).start()
    process.run()
