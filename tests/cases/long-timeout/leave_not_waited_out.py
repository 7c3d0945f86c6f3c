import queue
import time


def test_only_matters_when_it_fails(make_client):
    client = make_client(timeout=30)
    time.sleep(0.3)
    assert client.connected
    assert client.answers.get(timeout=10) == "pong"


def test_short(make_monitor):
    monitor = make_monitor(timeout=0.2)
    time.sleep(0.4)
    assert monitor.silent


def test_deadline():
    answers = queue.Queue()
    answers.put(1)
    assert answers.get(timeout=5) == 1


def test_fast(make_monitor, fast_time):
    monitor = make_monitor(timeout=2.0)
    time.sleep(2.5)
    assert monitor.silent
