"""A worker that rightly runs longer than the join's timeout."""

import threading
import time

FAULTS = []


def test_treat_known_wait():
    done = []

    def work():
        time.sleep(0.4)
        done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_leave_long_timeout():
    thread = threading.Thread(target=time.sleep, args=(0.2,))
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
