import threading
import unittest

import pytest


def work():
    return 1


def spawn(count):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def make():
    return threading.Thread(target=work)


@pytest.fixture
def thread():
    return threading.Thread(target=work)


@pytest.fixture
def running():
    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join()


def test_factory():
    thread = make()
    thread.start()
    thread.join()
    for other in spawn(2):
        other.join()


def test_fixture(thread):
    thread.start()
    thread.join()


def test_yielding_fixture(running):
    running.join()


def test_annotated_parameter():
    def finish(thread: threading.Thread):
        thread.join()

    finish(make())


class TestServer:
    def setup_method(self):
        self.worker = threading.Thread(target=work)
        self.workers: list[threading.Thread] = []

    def teardown_method(self):
        self.worker.join()
        for worker in self.workers:
            worker.join()

    def test_one(self):
        self.workers.append(threading.Thread(target=work))


class ServerTest(unittest.TestCase):
    def setUp(self):
        self.thread = threading.Thread(target=work)
        self.thread.start()

    def test_one(self):
        self.thread.join()
