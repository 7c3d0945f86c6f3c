"""`time.sleep` handed over as a value."""

import threading
import time

FAULTS = []


def test_treat_target():
    thread = threading.Thread(target=time.sleep, args=(1.0,))
    thread.start()
    assert thread.is_alive()
    thread.join(timeout=8)
    assert not thread.is_alive()


def test_leave_short():
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()
    thread.join(timeout=8)
    assert not thread.is_alive()
