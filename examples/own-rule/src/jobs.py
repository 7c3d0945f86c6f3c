"""A queue that is idle once nothing has come in for a while."""

import time


class Queue:
    def __init__(self, idle_after):
        self.idle_after = idle_after
        self.last = time.monotonic()
        self.turns = 0

    def put(self, job):
        self.last = time.monotonic()

    def turn(self):
        self.turns += 1

    @property
    def is_idle(self):
        return time.monotonic() - self.last >= self.idle_after
