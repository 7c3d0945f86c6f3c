import time


def poll_until(seconds, queue):
    """Keeps the queue turning for that long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        queue.turn()
