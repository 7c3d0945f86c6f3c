"""Something comes about while the test sleeps, and no number that is known says after how long."""
import time
from datetime import datetime, timedelta

import pytest

def test_requeued(broker, monkeypatch, conf):
    monkeypatch.setattr(conf, "RETRY", 1)
    broker.dequeue()
    assert broker.queue_size() == 0
    time.sleep(1.5)
    assert broker.queue_size() == 1

def test_cookie_is_gone(client):
    names = {c.key for c in client.cookies}
    assert names == {"a", "b"}
    time.sleep(2)
    names = {c.key for c in client.cookies}
    assert names == {"a"}

def test_closed_by_the_other_side(response):
    with pytest.raises(ConnectionError):
        for _ in range(3):
            response.write(b"data")
            time.sleep(0.6)

def test_session_of_the_database(cursor):
    cursor.execute("SET wait_timeout=1")
    time.sleep(2)
    assert cursor.closed

def test_users(runner):
    runner.start(user_count=6, spawn_rate=1)
    time.sleep(3)
    assert runner.user_count >= 2

def test_renewed(manager):
    manager.start(expiration_refresh_ratio=0.5)
    time.sleep(0.6)
    assert manager.tokens

def test_expires_at_a_second(store):
    store.expireat("key", (datetime.now() + timedelta(seconds=2)).replace(microsecond=0))
    time.sleep(2.1)
    assert not store.exists("key")

def test_expires_after_whole_seconds(store):
    store.hexpire("key", timedelta(seconds=1))
    time.sleep(1.1)
    assert not store.exists("key")


def test_reloaded(module, shutil):
    # The file has not "changed" if a second has not gone by.
    time.sleep(1.1)
    shutil.copyfile("two.py", "one.py")
    assert module.reload().two


def test_update_time(client):
    update_time = client.status()["LastUpdateTime"]
    time.sleep(1)
    client.put("two")
    status = client.status()
    assert status["LastUpdateTime"] > update_time


def test_visible_again(queues):
    queue = queues.create(Attributes={"VisibilityTimeout": "1"})
    queue.receive()
    time.sleep(1.1)
    assert queue.receive()


PAUSE = 1


def test_spelled_out(queues):
    queue = queues.create(attributes=f"pause:{PAUSE}")
    time.sleep(PAUSE)
    assert queue.receive()


def test_delayed(queues):
    queues.send("one", DelaySeconds=1)
    time.sleep(1.1)
    assert queues.receive() == ["one"]
