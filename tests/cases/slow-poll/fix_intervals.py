import time
from time import sleep


def wait_for(condition, timeout=5):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.5)
    return False


def test_helper(server):
    assert wait_for(lambda: server.ready)


def test_until(server):
    while not server.ready:
        time.sleep(1)
    assert server.ready


def test_rounds(server):
    for _ in range(20):
        if server.ready:
            break
        sleep(0.5)
    assert server.ready


def test_endless(server):
    while True:
        try:
            answer = server.ping()
        except OSError:
            time.sleep(0.25)
        else:
            assert answer
            break
