import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from app.threads import Thread


def test_five():
    threads = [threading.Thread(target=print) for _ in range(5)]
    for thread in threads:
        thread.start()


def test_pool():
    with ThreadPoolExecutor(max_workers=4) as pool, ThreadPool(1):
        pool.map(print, range(100))


def test_other_class():
    threads = [Thread() for _ in range(50)]
    assert threads


def test_default():
    with ThreadPoolExecutor() as pool:
        pool.submit(print)


def test_shadowed():
    def ThreadPoolExecutor(workers):
        return workers

    ThreadPoolExecutor(100)
