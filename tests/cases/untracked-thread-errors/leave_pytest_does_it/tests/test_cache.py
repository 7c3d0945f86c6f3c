import threading


def test_assertion_in_a_worker(cache):
    def worker():
        assert cache.get("key") == 42

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(timeout=5.0)
