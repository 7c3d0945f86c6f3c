"""The threads of a library that is not under test."""
import gevent.monkey

gevent.monkey.patch_all()

import threading


def test_join():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
