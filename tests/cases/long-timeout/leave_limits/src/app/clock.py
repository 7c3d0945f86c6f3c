import time


def sleep(delay):
    time.sleep(delay)


def fail_after(delay):
    return Limit(delay)


class Limit:
    def __init__(self, delay):
        self.end = delay

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


class Watcher:
    """Looks every so often."""

    def __init__(self, timeout=1.0):
        self.timeout = timeout


class Lock:
    def __init__(self, channel="x", grace=1.0):
        self.grace = grace
