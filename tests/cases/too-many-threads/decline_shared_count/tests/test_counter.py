import threading

from limits import THREADS


def test_counter(counter):
    threads = [threading.Thread(target=counter.add) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    assert counter.value == THREADS
