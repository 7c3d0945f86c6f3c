import time

from helpers import SETTLE


def test_first(server):
    server.push()
    time.sleep(SETTLE)
    assert server.pushed
