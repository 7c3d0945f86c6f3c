"""How many it takes is the point (HAZARDS row 20), or another number hangs on it."""
import gc
import random
import uuid

LIMITS = {"rounds": 20_000}


def test_distribution():
    draws = [random.random() for _ in range(100_000)]
    assert 0.4 < sum(draws) / len(draws) < 0.6


def test_collisions():
    seen = set()
    for _ in range(10_000):
        seen.add(uuid.uuid4())
    assert seen


def test_leak(cache):
    for i in range(10_000):
        cache.put(i)
    gc.collect()
    assert cache.small


def test_other_number(cache):
    for i in range(10_000):
        cache.put(i)
    assert cache.evicted == 8_976


def test_several(cache):
    for n in (1_000, 2_000, 5_000):
        for i in range(n):
            cache.put(i)
