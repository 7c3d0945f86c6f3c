"""Assertions on a count, computed or literal."""

import threading

from product import Counter

FAULTS = ["lost-item"]

N = 8
M = 5


def test_treat_product_of_two():
    counter = Counter()

    def work():
        for _ in range(5):
            counter.add()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 50


def test_treat_shared_variables():
    counter = Counter()

    def work(first):
        for i in range(M):
            counter.add(first + i)

    threads = [threading.Thread(target=work, args=(n * M,)) for n in range(N)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == N * M
    assert sorted(counter.items) == list(range(N * M))


def test_treat_from_one_on():
    counter = Counter()
    threads = [threading.Thread(target=counter.add, args=(i,)) for i in range(1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.value == 10


def test_leave_unexplained():
    counter = Counter()
    threads = [threading.Thread(target=counter.add, args=(i % 3,)) for i in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert counter.items.count(0) == 3
    assert counter.value == 9
