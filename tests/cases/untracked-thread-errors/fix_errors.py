import threading


def test_assertion_in_a_worker(cache):
    def worker():
        assert cache.get("key") == 42

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(timeout=5.0)
    assert not thread.is_alive()


def test_call_in_a_worker(cache):
    # Many at once.
    def fill(number):
        for i in range(10):
            cache.put(number * 10 + i)

        cache.flush()

    threads = [threading.Thread(target=fill, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5.0)
    assert len(cache) == 30


class TestCache:
    def test_method(self, cache):
        def worker():
            if cache:
                cache.check()

        thread = threading.Thread(target=worker)
        thread.start()
        thread.join(5)


def test_counts(cache):
    hits = 0

    def worker():
        """Looks twice."""
        nonlocal hits
        hits += cache.get("key")
        hits += cache.get("key")

    errors = cache.errors()
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(5)
    assert hits == 84 and not errors
