import threading
import time


def test_fast_enough(server):
    while not server.ready:
        time.sleep(0.05)


def test_works_between(server):
    while server.ready:
        server.work()
        time.sleep(0.5)


def test_not_a_poll(server):
    for name in server.names:
        server.ask(name)
        time.sleep(0.2)
    time.sleep(0.3)


def test_ticker(server):
    def tick():
        while True:
            server.tick()
            time.sleep(0.5)

    threading.Thread(target=tick, daemon=True).start()
    assert server.ticks


def test_nothing_to_wait_for(server):
    while True:
        time.sleep(0.4)


def test_round_used(server):
    for attempt in range(10):
        if server.ready(attempt):
            break
        time.sleep(0.5)


async def loop_misc(client):
    """Part of a script among the tests."""
    while client.loop_misc() == 0:
        time.sleep(1)


def test_slow_reader(stream):
    while True:
        data = stream.read(1024)
        if data:
            time.sleep(0.3)
        else:
            break
