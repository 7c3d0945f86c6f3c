import time


def test_silence(make_monitor):
    monitor = make_monitor(timeout=2.0)
    monitor.start()
    time.sleep(2.5)
    assert monitor.silent


def test_interval(make_poller):
    poller = make_poller(interval=1.5)
    poller.start()
    time.sleep(2)
    assert poller.polls == 1
