import threading
import time

import testlib


def test_endless():
    def work():
        while True:
            time.sleep(0.01)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert thread.is_alive()


def test_unseen(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    assert thread.is_alive()


def test_without_a_name(seen):
    threading.Thread(target=seen.append, args=(1,)).start()


def test_many(server):
    threads = [threading.Thread(target=server.ping) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert len(threads) == 3


class TestSetup:
    def setup_method(self):
        self.timer = threading.Timer(60, print)
        self.timer.start()

    def test_nothing(self):
        assert self.timer


def test_in_a_loop():
    def work():
        time.sleep(0.01)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()


class TestUnseenBase(testlib.Case):
    def test_timer(self):
        timer = threading.Timer(60, print)
        timer.start()
