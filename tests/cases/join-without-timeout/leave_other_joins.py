import multiprocessing.pool
import os.path
import posixpath
import queue
import threading
from multiprocessing import JoinableQueue, Pool
from os.path import join
from pathlib import Path

import numpy as np

SEPARATOR = ", "


def test_strings(parts, table, other):
    assert ", ".join(parts) == SEPARATOR.join(parts)
    assert b"".join(parts) == f"{1}".join(parts)
    assert "a".upper().join(parts)
    assert os.path.join("a", "b") == posixpath.join("a", "b") == join("a", "b")
    assert np.char.join("-", parts).any()
    assert table.join(other, "key")
    assert str.join("-", parts)


def test_queues(work):
    tasks = queue.Queue()
    tasks.join()
    JoinableQueue().join()


def test_pools(work):
    pool = Pool(2)
    pool.close()
    pool.join()
    with multiprocessing.pool.ThreadPool(2) as threads:
        threads.close()
        threads.join()


def test_unknown(thread, server):
    thread.join()
    server.thread.join()


class Room:
    def join(self, who=None):
        self.who = who


def test_own_class():
    Room().join()
    room = Room()
    room.join()


def test_shadowed():
    class Thread:
        def join(self):
            return None

    Thread().join()


def test_either(flag):
    thing = threading.Thread() if flag else Room()
    thing.join()


def test_rebound():
    worker = threading.Thread()
    worker = Room()
    worker.join()


def test_has_a_timeout():
    worker = threading.Thread()
    worker.join(5)
    worker.join(timeout=0.5)
    worker.join(*[])
    worker.join(**{})


def test_threads_in_text():
    """thread.join()"""
    assert "thread.join()"  # thread.join()
