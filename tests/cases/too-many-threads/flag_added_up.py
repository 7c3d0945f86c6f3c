"""Two kinds of threads, together over the budget: told at the larger share. `slow` does not excuse threads."""
import threading

import pytest


@pytest.mark.slow
def test_marked(counter):
    threads = [threading.Thread(target=counter.add) for _ in range(100)]
    for thread in threads:
        thread.start()


def test_readers_and_writers(counter):
    readers = [threading.Thread(target=counter.get) for _ in range(5)]
    writers = [threading.Thread(target=counter.add) for _ in range(2)]
    for thread in readers + writers:
        thread.start()


@pytest.mark.parametrize("count", [2, 50])
def test_parametrized(counter, count):
    threads = [threading.Thread(target=counter.add) for _ in range(count)]
    for thread in threads:
        thread.start()
