import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    timeout: float = 1.6


class Monitor:
    """Nothing that a test passes changes its options."""

    def __init__(self, name, options=Options()):
        self.fired = False
        self.timer = threading.Timer(options.timeout, self._fire)
        self.timer.start()

    def _fire(self):
        self.fired = True


class Other(Monitor):
    def __init__(self):
        super().__init__("other", Options())
