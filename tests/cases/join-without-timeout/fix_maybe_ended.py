"""What looks as if it had been waited for, and may be alive all the same."""
import threading
import time


def test_left_the_loop():
    thread = threading.Thread(target=print)
    thread.start()
    while thread.is_alive():
        if time.monotonic() > 5:
            break
    thread.join()


def test_started_after_that():
    thread = threading.Thread(target=print)
    assert not thread.is_alive()
    thread.start()
    thread.join()


def test_another_by_now():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
