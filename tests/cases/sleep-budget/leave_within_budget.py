import time

import pytest


def test_one():
    time.sleep(0.2)
    time.sleep(0.2)


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_three(mode):
    time.sleep(0.3)


@pytest.mark.slow
def test_marked(server):
    for _ in range(10):
        time.sleep(0.3)


def test_virtual(server, fast_time):
    for _ in range(10):
        time.sleep(0.3)


def test_branches(server):
    if server.fast:
        time.sleep(0.3)
    else:
        time.sleep(0.4)


def test_only_when_it_fails(server):
    try:
        server.start()
    except OSError:
        time.sleep(0.5)
        server.start()
        time.sleep(0.5)


def test_early_end(server):
    for _ in range(100):
        if server.ready:
            break
        time.sleep(0.1)
    assert server.ready
