"""A sleep that is longer than all that is waited out may wait for one after the other; what is released is no lease."""
import threading
import time

from app import Cleaner


def test_chain():
    cleaner = Cleaner(unreachable_timeout=1.0, connect_timeout=0.5)
    cleaner.start()
    time.sleep(4)
    assert cleaner.count == 1


def test_released():
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(1.0, lock.release).start()
    time.sleep(1.5)
    assert not lock.locked()
