"""What is looked at every so often is seen after as long as that, and the margin."""

import time

import can


def test_seen():
    watcher = can.Watcher(poll_interval=0.1)
    watcher.start()
    time.sleep(1)
    assert watcher.seen


def test_one_look_is_not_counted():
    watcher = can.Watcher(poll_interval=0.1)
    watcher.start()
    time.sleep(1)
    assert len(watcher.seen) == 2
