import threading
import time


def test_no_loop(store):
    def write():
        time.sleep(2)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()


def test_no_threads(store):
    for _ in range(5):
        time.sleep(2)


def test_within_budget(store):
    def write():
        for _ in range(3):
            time.sleep(0.01)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
