"""Some number may depend on the count in a way that is not seen."""
import threading

COUNTS = (2, 6, 8)


def test_some_other_number(counter):
    threads = [threading.Thread(target=counter.add) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert counter.value == 37


def test_element(results):
    threads = [threading.Thread(target=results.append, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    assert results[7] == 7


def test_random(results):
    import random

    threads = [threading.Thread(target=random.shuffle, args=(results,)) for _ in range(10)]
    for thread in threads:
        thread.start()


def test_names(results):
    names = "abcdefgh"
    threads = [threading.Thread(target=results.append, args=(n,)) for n in names]
    for thread in threads:
        thread.start()


def _hammer(store):
    workers = [threading.Thread(target=store.put) for _ in range(120)]
    for worker in workers:
        worker.start()


def test_hammered(store):
    _hammer(store)
    assert store


def test_close_race(pool):
    threads = [threading.Thread(target=pool.close) for _ in range(20)]
    for thread in threads:
        thread.start()
