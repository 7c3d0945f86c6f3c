"""Each number here is the number of threads, or made of it."""

import threading
from concurrent.futures import ThreadPoolExecutor


def test_length():
    results = []
    threads = [threading.Thread(target=results.append, args=(i,)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=5.0)
    assert len(results) == 10
    assert sorted(results) == list(range(10))


def test_product():
    N, M = 10, 4
    results = []

    def work():
        for _ in range(M):
            results.append(1)

    threads = [threading.Thread(target=work) for _ in range(N)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=5.0)
    assert len(results) == N * M


def test_from_one():
    results = []
    threads = [threading.Thread(target=results.append, args=(i,)) for i in range(1, 11)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=5.0)
    assert sorted(results) == list(range(1, 11))
    assert len(results) == 10


def test_barrier():
    barrier = threading.Barrier(10)
    passed = []

    def work():
        barrier.wait(timeout=5.0)
        passed.append(1)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=5.0)
    assert len(passed) == 10


def test_pool():
    with ThreadPoolExecutor(max_workers=10) as pool:
        assert list(pool.map(abs, range(10))) == list(range(10))
