"""Threads that run one function with times of their own end in the same order."""
import threading
import time


def test_order():
    done = []

    def work(seconds):
        time.sleep(seconds)
        done.append(seconds)

    slow = threading.Thread(target=work, args=(2.0,))
    fast = threading.Thread(target=work, args=(1.0,))
    slow.start()
    fast.start()
    slow.join(10)
    fast.join(10)
    assert len(done) == 2
