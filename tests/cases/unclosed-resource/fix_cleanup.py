import socket
import sqlite3
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_file(tmp_path):
    log = open(tmp_path / "log", "w")
    log.write("hello")
    assert not log.closed


def test_path(tmp_path):
    path = tmp_path / "log"
    log = path.open("w")
    log.write("hello")
    assert path.exists()


def test_socket():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    assert server.getsockname()


def test_pool():
    pool = ThreadPoolExecutor(max_workers=2)
    assert pool.submit(sum, [1, 2]).result(timeout=5) == 3


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "db")
    yield connection


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = open(self.folder.name + "/log", "w")

    def test_log(self):
        self.log.write("x")
