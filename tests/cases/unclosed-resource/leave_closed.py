import contextlib
import socket
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor


def test_with(tmp_path):
    with open(tmp_path / "log", "w") as log:
        log.write("x")
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
    with ThreadPoolExecutor() as pool:
        pool.submit(print)


def test_closed(tmp_path):
    log = open(tmp_path / "log", "w")
    try:
        log.write("x")
    finally:
        log.close()
    open(tmp_path / "other", "w").close()


def test_later_with(tmp_path):
    log = open(tmp_path / "log", "w")
    with log:
        log.write("x")


def test_handed_on(server, tmp_path, request):
    s = socket.socket()
    server.serve(s)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(tmp_path / "log"))
        assert log
    other = open(tmp_path / "log")
    request.addfinalizer(other.close)
    held = {"log": open(tmp_path / "log")}
    assert held
    shared = socket.socket()
    threading.Thread(target=server.run, args=(shared,)).start()


def connect():
    s = socket.socket()
    return s


class Case(unittest.TestCase):
    def setUp(self):
        self.log = open("log")

    def tearDown(self):
        self.log.close()

    def open(self):
        return self.open()


def test_other_open(shelf):
    book = shelf.open("book")
    assert book


def main():
    """A script among the tests."""
    probe = socket.socket()
    print(probe.getsockname())
