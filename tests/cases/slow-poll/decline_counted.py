import time

INTERVAL = 0.5


def test_counted(server):
    tries = 0
    while not server.ready:
        time.sleep(0.5)
        tries += 1
        assert tries < 20


def test_shared_interval(server):
    while not server.ready:
        time.sleep(INTERVAL)


def test_rounds_elsewhere(server, attempts):
    for _ in range(attempts):
        if server.ready:
            break
        time.sleep(0.5)
