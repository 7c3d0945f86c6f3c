import threading
import time

import pytest


def test_collected(cache):
    errors = []

    def worker():
        try:
            cache.check()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(timeout=5)
    assert not errors


def test_harmless():
    seen = []

    def worker():
        time.sleep(0.01)
        seen.append(1)

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(timeout=5)
    assert seen == [1]


def test_expected(cache):
    def worker():
        cache.fail()

    with pytest.warns(pytest.PytestUnhandledThreadExceptionWarning):
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join(timeout=5)


def test_hooked(cache, monkeypatch):
    def worker():
        cache.fail()

    monkeypatch.setattr(threading, "excepthook", cache.note)
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join(timeout=5)


def test_not_seen(cache):
    thread = threading.Thread(target=cache.check)
    thread.start()
    thread.join(timeout=5)


class Server:
    """Looks after its own threads."""

    def start(self):
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self.accept()
