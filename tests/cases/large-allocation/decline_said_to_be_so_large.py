"""Names, comments and neighbours say how large it has to be."""
import hashlib

import pytest


def test_store(store):
    kb_512 = b"a" * (512 * 1024)
    store.create("/small", kb_512)
    mb_2 = b"a" * (2 * 1024 * 1024)
    with pytest.raises(ConnectionError):
        store.create("/large", mb_2)


def test_hash_of_exactly_one_mb(tree_hash):
    assert tree_hash(b"a" * (1024 * 1024)).startswith("9bc1")


def test_hash(data=b"a" * 300_000):
    assert hashlib.md5(data).hexdigest() == "5f4dcc3b5aa765d61d8327deb882cf99"


def test_two_batches(collection, listener):
    # Force two batches.
    big = "x" * (1024 * 1024 * 12)
    collection.insert(big)
    assert listener.started


def test_refused(store):
    value = "v" * 80_000
    with pytest.raises(ValueError):
        store.put(value)


def test_frame_with_its_length(frames):
    assert frames.parse(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x86\xa0" + 100_000 * b"a")


def test_huge_tree(parse):
    assert parse("a" * 10_000_001)


def test_copied(copy):
    lines = copy("SELECT repeat('a', 500) FROM generate_series(1, 5000)")
    assert lines == ["a" * 500] * 5000 + [""]


def test_echoed(echo):
    assert echo(lines=30) == ["a"] * 5000


def test_quantiles(digest):
    digest.add([x * 0.01 for x in range(1, 9000)])
    assert round(digest.quantile(0.5)) == 45


def test_sent(channel):
    message = "x" * 1_000_000
    channel.send(message)
    assert channel.blocked


def test_paused_reader(reader):
    assert reader.read("x" * 90_000)


def test_culled(cache):
    million = b"x" * 1_000_000
    for key in range(10):
        cache[key] = million
    assert len(cache) == 10


def test_served(reactor, site):
    site.put("numbers", b"1" * 200_000)
    assert reactor.listenTCP(0, site)
