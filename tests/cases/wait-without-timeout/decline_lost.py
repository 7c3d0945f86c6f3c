import queue
import threading

import pytest


def test_value_used(service):
    ready = threading.Event()
    service.on_ready(ready.set)
    happened = ready.wait()
    assert happened is True


def test_in_a_worker(service):
    go = threading.Event()

    def worker():
        go.wait()
        service.work()

    thread = threading.Thread(target=worker)
    thread.start()
    service.on_ready(go.set)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_caught(service):
    results = queue.Queue()
    service.send_to(results)
    try:
        first = results.get()
    except Exception:
        first = None
    assert first is None or first == 1


def test_expected(service):
    results = queue.Queue()
    service.send_to(results)
    with pytest.raises(Exception):
        results.get()


def test_commented(service):
    results = queue.Queue()
    service.send_to(results)
    results.get(  # whatever comes
    )


def test_in_a_callback(service):
    results = queue.Queue()
    service.call(lambda: results.get())
