"""3 threads × 5 files × 0.6 s: the sleep is the cheapest to cut."""
import threading
import time


def test_writers(store):
    def write():
        for number in range(5):
            store.save(number)
            time.sleep(0.6)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
