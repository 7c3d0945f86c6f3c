"""Nothing has happened after so long, and no number says when it would: shorter, each would show less."""

import time


def test_nothing_at_all(worker):
    time.sleep(1.0)
    assert not worker.log


def test_long_before_its_timeout(make_monitor):
    monitor = make_monitor(timeout=5.0)
    time.sleep(1.0)
    assert monitor.events == []
