"""The count shrinks with every number that is the count (HAZARDS rows 16, 17)."""
import threading
from concurrent.futures import ThreadPoolExecutor


def test_literal(counter):
    threads = [threading.Thread(target=counter.add) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
    assert counter.value == 10


def test_name(counter):
    workers = 10
    threads = [threading.Thread(target=counter.add) for _ in range(workers)]
    for thread in threads:
        thread.start()
    assert counter.value == workers


def test_append(counter):
    threads = []
    for number in range(8):
        thread = threading.Thread(target=counter.add, args=(number,))
        threads.append(thread)
        thread.start()
    assert len(threads) == 8


def test_barrier(counter):
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=barrier.wait) for _ in range(8)]
    for thread in threads:
        thread.start()


def test_product_of_counts(counter):
    def work():
        for _ in range(100):
            counter.add()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert counter.value == 1000


def test_pool(counter):
    with ThreadPoolExecutor(max_workers=16) as pool:
        pool.submit(counter.add)
