"""The sleep is as short as it gets: fewer rounds."""
import threading
import time


def test_writers(store):
    def write():
        for number in range(50):
            store.save(number)
            time.sleep(0.01)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert store.saved == 200
