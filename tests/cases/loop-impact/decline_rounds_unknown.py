"""As short as it gets, and the rounds are not a number here."""
import threading
import time

FILES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]


def test_writers(store):
    def write():
        for name in FILES:
            store.save(name)
            time.sleep(0.05)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()


def test_some_rounds(store):
    def write():
        for name in FILES:
            if store.add(name):
                time.sleep(0.05)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
