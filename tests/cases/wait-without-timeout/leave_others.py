import asyncio
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait


def test_with_timeouts(service):
    ready = threading.Event()
    service.on_ready(ready.set)
    assert ready.wait(5)
    results = queue.Queue()
    service.send_to(results)
    assert results.get(True, 5) == 1
    assert results.get(timeout=5) == 2
    assert results.get(False) == 3
    assert results.get(block=False) == 4
    assert results.get_nowait() == 5


def test_happened_already():
    done = threading.Event()
    done.set()
    done.wait()
    items = queue.Queue()
    items.put(1)
    assert items.get() == 1
    future = Future()
    future.set_result(3)
    assert future.result() == 3


def test_futures_that_are_done():
    with ThreadPoolExecutor(max_workers=2) as pool:
        futures = [pool.submit(sum, [i]) for i in range(3)]
    assert [f.result() for f in futures] == [0, 1, 2]


def test_futures_that_were_waited_for():
    pool = ThreadPoolExecutor(max_workers=2)
    futures = [pool.submit(sum, [i]) for i in range(3)]
    wait(futures, timeout=5)
    assert futures[0].result() == 0
    for future in as_completed(futures, timeout=5):
        future.result()
    pool.shutdown()


def test_killed_child():
    child = subprocess.Popen([sys.executable, "-c", "input()"])
    child.kill()
    child.wait()


def test_other_things(config, parser):
    assert config.get() is None
    assert {"a": 1}.get("a") == 1
    assert parser.wait() == parser.result()


async def test_coroutines():
    event = asyncio.Event()
    event.set()
    await event.wait()


def main():
    """A script among the tests."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
