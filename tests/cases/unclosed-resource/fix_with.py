import gzip
import socket
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor


def test_all_that_uses_it_moves(tmp_path):
    log = open(tmp_path / "log", "w")  # a comment stays

    log.write("hello")
    log.flush()
    assert (tmp_path / "log").exists()


def test_what_is_made_of_it_is_used_up_with_it():
    pool = ThreadPoolExecutor(max_workers=2)
    future = pool.submit(sum, [1, 2])
    print("meanwhile")
    assert future.result(timeout=5) == 3
    print("afterwards")


def test_in_a_block(tmp_path):
    for name in ("a", "b"):
        if name:
            packed = gzip.open(tmp_path / name, "wb")
            packed.write(b"x")
        assert name


def helper():
    probe = socket.socket()
    print(probe.getsockname())


def test_helper():
    helper()


class TestMethod:
    def test_lines(self, tmp_path):
        with tempfile.TemporaryDirectory() as folder:
            text = open(folder + "/x", "w+")
            for line in text:
                assert line


def test_cleanup_where_text_is_spread_over_lines(tmp_path):
    log = open(tmp_path / "log", "w")
    log.write("""one
two
""")


def test_cleanup_where_it_is_used_outside_of_its_block(tmp_path):
    if tmp_path:
        log = open(tmp_path / "log", "w")
        log.write("hello")
    assert not log.closed


def test_cleanup_where_a_function_uses_it(tmp_path):
    log = open(tmp_path / "log", "w")

    def write():
        log.write("x")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_cleanup_where_the_with_ends_a_transaction():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t(x)")


def test_cleanup_where_much_follows():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    print(1)
    print(2)
    print(3)
    print(4)
    print(5)
    print(6)
    print(7)
    print(8)
    print(9)
    print(10)
    print(11)
    assert server.getsockname()
