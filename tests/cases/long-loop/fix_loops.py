from itertools import repeat

ROUNDS = 50_000


def test_range(cache):
    for i in range(100_000):
        cache.put(i)
    assert len(cache) == 100_000


def test_constant(cache):
    for i in range(ROUNDS):
        cache.put(i)
    assert len(cache) == ROUNDS


def test_generator(cache):
    assert sum(cache.get(i) for i in range(10**5)) >= 0


def test_comprehension(cache):
    assert all([cache.put(i) for i in range(5_000)])


def test_repeat(cache):
    for item in repeat("x", 5000):
        cache.put(item)


def test_last_element(cache):
    for i in range(10000):
        cache.put(i)
    assert cache.last == 9999
