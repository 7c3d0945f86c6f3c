"""What depends on the number of threads is said in a message too, which would go on saying it."""
import threading


def test_keys(store):
    def writer(n):
        for i in range(10):
            store.put(n * 10 + i)

    threads = [threading.Thread(target=writer, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    keys = store.keys()
    assert len(keys) == 80, f"expected 80 keys, got {len(keys)}"
