"""The syntax around a loop says what its rounds are for."""
import time


def test_depth(client):
    value = ["a"]
    for _ in range(100_000):
        value = [value]
    client.capture(value)
    assert client.events


def test_cut_to_measure(client):
    text = "".join(f"Hello World {i}\n" for i in range(9000))[:149051]
    assert client.gzip(text) == text


def test_how_fast(redis, cache):
    N = 10_000
    total = 0
    for _ in range(N):
        start = time.time()
        cache.get("key")
        total += time.time() - start
    assert total / redis.total < 1.35


def test_batches(queue):
    MAX_UNPACKED = 7999
    for i in range(MAX_UNPACKED * 2):
        queue.put(i)
    assert queue.fetch()
