"""Shared by the tests: the timing they agree on, and threads that they all use."""

import threading
import time

TIMEOUT = 2.0
SETTLE = TIMEOUT + 0.5

DEBOUNCE = 0.5
AFTER_DEBOUNCE = 0.6


def settle():
    """Long enough for a monitor built with TIMEOUT to notice the silence."""
    time.sleep(SETTLE)


def wait_past(seconds):
    """Sleep until something that takes ``seconds`` has surely happened."""
    time.sleep(seconds + 0.5)


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Writer(threading.Thread):
    """Feeds a monitor a number of lines, from a thread of its own."""

    def __init__(self, monitor, name, lines=10):
        super().__init__(name=name)
        self.monitor = monitor
        self.lines = lines
        self.written = 0

    def run(self):
        for number in range(self.lines):
            self.monitor.feed(f"{self.name} {number}\n", source=self.name)
            self.written += 1
