"""The timeout is four times what the worker is known to wait (HAZARDS row 33)."""
import threading
import time

READY = threading.Event()


def slow():
    time.sleep(2)
    time.sleep(1)


def waits():
    READY.wait(4)


def quick():
    time.sleep(0.1)


def test_slow():
    thread = threading.Thread(target=slow)
    thread.start()
    thread.join()


def test_waits():
    thread = threading.Thread(target=waits)
    thread.start()
    thread.join()


def test_quick():
    thread = threading.Thread(target=quick)
    thread.start()
    thread.join()


def test_handed_over():
    thread = threading.Thread(target=time.sleep, args=(3,))
    thread.start()
    thread.join()


def test_timer():
    timer = threading.Timer(7.5, quick)
    timer.start()
    timer.join()
