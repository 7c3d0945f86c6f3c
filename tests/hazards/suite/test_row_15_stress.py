"""A stress test, whose point is the number of threads."""

import threading

from product import Counter

FAULTS = ["lost-item"]


def run(counter, n):
    threads = [threading.Thread(target=counter.add) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_leave_random_stress():
    """Draws random numbers: how many there are is the point."""
    import random

    counter = Counter()
    threads = [threading.Thread(target=counter.add, args=(random.random(),)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert len(set(counter.items)) == counter.value == 12


def test_treat_ordinary():
    counter = Counter()
    threads = [threading.Thread(target=counter.add) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 10


def test_leave_race_of_ten():
    counter = Counter()
    threads = [threading.Thread(target=counter.add) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 10
