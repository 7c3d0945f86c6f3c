def test_short(cache):
    for i in range(1000):
        cache.put(i)


def test_ends_early(cache):
    for _ in range(1_000_000):
        if cache.full:
            break
        cache.put(1)


def test_returns(cache):
    def search():
        for i in range(1_000_000):
            if cache.get(i):
                return i
        return None

    assert search()


def test_not_a_loop():
    assert 5 in range(1_000_000)


def test_shadowed(range):
    for _ in range(1_000_000):
        pass


def test_stride(cache):
    for i in range(0, 100_000, 1000):
        cache.put(i)
