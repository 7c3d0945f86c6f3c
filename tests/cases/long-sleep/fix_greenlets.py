import eventlet
import gevent
from eventlet.green import time


def test_gevent(pool):
    pool.spawn(print)
    gevent.sleep(seconds=1.5)
    assert pool.empty


def test_eventlet(pool):
    pool.spawn(print)
    eventlet.sleep(1.5)
    assert pool.empty


def test_green_time(pool):
    pool.spawn(print)
    time.sleep(1.5)
    assert pool.empty
