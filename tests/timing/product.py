"""What generated tests wait for: each class keeps real time."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta


class Monitor:
    """Fires once, `timeout` seconds after its start."""

    def __init__(self, timeout: float = 1.6):
        self.timeout = timeout
        self.fired = False
        self._timer = threading.Timer(timeout, self._fire)
        self._timer.daemon = True

    def start(self):
        self._timer.start()
        return self

    def stop(self):
        self._timer.cancel()

    def _fire(self):
        self.fired = True


class MillisecondMonitor(Monitor):
    """The same, told in milliseconds."""

    def __init__(self, timeout_ms: int = 1600):
        super().__init__(timeout_ms / 1000)


@dataclass
class Options:
    """What a monitor may be told."""

    timeout: float = 1.6
    name: str = ""


class Configured(Monitor):
    def __init__(self, options):
        super().__init__(options.timeout)


class Cache:
    """Forgets what it holds after `ttl`."""

    def __init__(self, ttl: timedelta):
        self.ttl = ttl.total_seconds()
        self._held = {}

    def put(self, key, value):
        self._held[key] = (value, time.monotonic())

    def get(self, key):
        value, since = self._held.get(key, (None, float("-inf")))
        return value if time.monotonic() - since < self.ttl else None


class Poller:
    """Looks every `interval` seconds until `timeout` is over."""

    def __init__(self, interval: float, timeout: float):
        self.interval = interval
        self.timeout = timeout
        self.attempts = 0

    def run(self):
        for _ in range(round(self.timeout / self.interval)):
            self.attempts += 1
            time.sleep(self.interval)


class TookTooLong(Exception):
    pass


class Guard:
    """Runs something that has to be done within `timeout` seconds."""

    def __init__(self, timeout: float):
        self.timeout = timeout

    def run(self, work):
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        worker.join(timeout=self.timeout)
        if worker.is_alive():
            raise TookTooLong
