"""Threads against the parties of a barrier, the permits of a semaphore."""

import threading

from product import Counter

FAULTS = ["lost-item"]


def test_treat_barrier():
    counter = Counter()
    gate = threading.Barrier(8)

    def work():
        gate.wait(timeout=2)
        counter.add()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 8


def test_leave_few():
    counter = Counter()
    permits = threading.Semaphore(2)

    def work():
        with permits:
            counter.add()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 4
