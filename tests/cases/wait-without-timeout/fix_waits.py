import multiprocessing
import queue
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor


def test_event(service):
    ready = threading.Event()
    service.on_ready(ready.set)
    ready.wait()
    assert service.up


def test_already_asserted(service):
    ready = threading.Event()
    service.on_ready(ready.set)
    assert ready.wait()
    assert ready.wait(None)
    assert ready.wait(timeout=None)


def test_queue(service):
    results = queue.Queue()
    service.send_to(results)
    assert results.get() == 1
    assert results.get(True) == 2
    assert results.get(block=True, timeout=None) == 3
    assert results.get(
        True,
    ) == 4


def test_queue_of_processes(service):
    results = multiprocessing.Queue()
    service.send_to(results)
    assert results.get() == 1


def test_futures():
    with ThreadPoolExecutor(max_workers=2) as pool:
        one = pool.submit(sum, [1, 2])
        assert one.result() == 3
        many = [pool.submit(sum, [i]) for i in range(3)]
        assert [future.result() for future in many] == [0, 1, 2]
        assert pool.submit(sum, None).exception() is not None


def test_async_result():
    with multiprocessing.Pool(2) as pool:
        assert pool.apply_async(sum, [[1, 2]]).get() == 3


def test_child():
    child = subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE)
    out, _ = child.communicate()
    assert out == b"1\n"
    other = subprocess.Popen([sys.executable, "-c", ""])
    assert other.wait() == 0


def test_barrier(service):
    gate = threading.Barrier(2)
    service.pass_through(gate)
    gate.wait()


class Case(unittest.TestCase):
    def test_event(self):
        told = threading.Event()
        self.service.on_news(told.set)
        self.assertTrue(told.wait())
