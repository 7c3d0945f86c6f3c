"""A join of what has ended returns at once."""
import multiprocessing
import threading
import time


def test_waited_for():
    thread = threading.Thread(target=print)
    thread.start()
    while thread.is_alive():
        time.sleep(0.01)
    print("joining")
    thread.join()


def test_asserted():
    process = multiprocessing.Process(target=print)
    process.start()
    process.join(timeout=5)
    assert not process.is_alive()
    process.join()
