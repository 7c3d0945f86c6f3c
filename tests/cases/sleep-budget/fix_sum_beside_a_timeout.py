"""Two sleeps that are as long as a timeout by chance: nobody waits the timeout out, and it stays."""
import time


def test_priorities(queue, connection):
    queue.publish("first")
    time.sleep(0.5)
    connection.drain_events(timeout=1)
    queue.publish("second")
    time.sleep(0.5)
    connection.drain_events(timeout=1)
    assert queue.received == ["second", "first"]


def test_two_sleeps_wait_a_timeout_out(make_monitor):
    monitor = make_monitor(timeout=1.0)
    time.sleep(0.6)
    assert not monitor.fired
    time.sleep(0.6)
    assert monitor.fired


def test_half_way_again(make_monitor):
    monitor = make_monitor(timeout=1.0)
    time.sleep(0.6)
    monitor.feed()
    time.sleep(0.6)
    assert not monitor.fired
    time.sleep(0.6)
    assert monitor.fired


def test_reading_may_begin_it_anew(session):
    session.open(ttl=1.0)
    time.sleep(0.6)
    assert session.get("key") == 1
    time.sleep(0.6)
    assert session.get("key") == 1
