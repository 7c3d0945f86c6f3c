"""The code under test: small things that wait, each with faults that a test should catch.

A fault is switched on by name, in FAULT; the correct product is the one without. What a fault does is said where it is asked for.
"""

import threading
import time

FAULT = None

#: A number of the product's own, which tests import.
LEASE = 0.8
#: Parts that more than this are cut into.
CHUNK = 1000


def faulty(name):
    return FAULT == name


class Monitor:
    """Tells when nothing was fed for `timeout` seconds."""

    def __init__(self, timeout=2.0, on_silence=None):
        self.timeout = timeout
        self.silent = False
        self.quiet_for = 0.0
        self._on_silence = on_silence
        self._fed = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def feed(self, text=""):
        if not faulty("feed-ignored"):
            self._fed = time.monotonic()
        self.silent = False

    def stop(self):
        if not faulty("never-stops"):
            self._stop.set()
        self._thread.join(timeout=0.3)
        if self._thread.is_alive():
            raise RuntimeError("the monitor does not stop")

    def _run(self):
        while not self._stop.wait(0.01):
            quiet = time.monotonic() - self._fed
            if faulty("fires-early"):
                quiet *= 3
            if quiet >= self.timeout and not self.silent and not faulty("never-fires"):
                self.silent, self.quiet_for = True, quiet
                if self._on_silence is not None and not faulty("missed-call"):
                    self._on_silence()


class Cache:
    """Forgets what is older than `ttl` seconds."""

    def __init__(self, ttl=1.0):
        self.ttl = ttl
        self._values = {}

    def put(self, key, value):
        self._values[key] = value, time.monotonic()

    def get(self, key):
        value, at = self._values.get(key, (None, 0.0))
        age = time.monotonic() - at
        if faulty("expires-early"):
            age *= 3
        return value if age < self.ttl or faulty("never-expires") else None


class Session(Cache):
    """Forgets what was not asked for in `ttl` seconds."""

    def get(self, key):
        value = super().get(key)
        if value is not None and not faulty("never-renewed"):
            self.put(key, value)
        return value


class Store(Cache):
    """Counts in whole seconds, as many stores do."""

    def __init__(self, ttl=1):
        super().__init__(int(ttl))


def store(**options):
    """A store that nobody who reads the tests sees."""
    return globals()["Store"](**options)


class Watchdog(Monitor):
    """A monitor that is told by options."""

    def __init__(self, options):
        super().__init__(options["timeout"])


class Limiter:
    """Lets `limit` calls pass in each `window` seconds."""

    def __init__(self, limit, window):
        self.limit, self.window = limit, window
        self._hits = []

    def hit(self):
        now = time.monotonic()
        if not faulty("window-ignored"):
            self._hits = [t for t in self._hits if now - t < self.window]
        if len(self._hits) >= self.limit and not faulty("limit-ignored"):
            return False
        self._hits.append(now)
        return True


class Poller:
    """Calls `function` every `interval` seconds."""

    def __init__(self, function, interval=1.0):
        self.function, self.interval = function, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self):
        while not self._stop.wait(self.interval * (3 if faulty("polls-seldom") else 1)):
            self.function()


def retry(function, attempts, delay):
    """Calls a function until it does not raise, `attempts` times at most."""
    tries = attempts - 1 if faulty("one-attempt-less") else attempts
    for left in range(tries - 1, -1, -1):
        try:
            return function()
        except OSError:
            if left == 0:
                raise
            if not faulty("no-delay"):
                time.sleep(delay)
    return None


class Counter:
    """Counts from many threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self.value = 0
        self.items = []

    def add(self, item=None):
        with self._lock:
            if faulty("lost-item") and self.value == 1 and not self.items[2:]:
                self.items.append(item)
                return
            self.value += 1
            self.items.append(item)

    def check(self):
        if faulty("broken-check"):
            raise ValueError("the counter is broken")


class Queue:
    """Holds `maxsize` items at most."""

    def __init__(self, maxsize=4):
        self.maxsize, self.items = maxsize, []

    def put(self, item):
        if len(self.items) >= self.maxsize and not faulty("unbounded"):
            raise OverflowError("full")
        self.items.append(item)


def mute(callback):
    """Calls nobody."""
    if faulty("calls-anyway"):
        threading.Timer(0.4, callback, ["called"]).start()


def split(data):
    """Parts of CHUNK elements at most."""
    size = len(data) if faulty("never-splits") else CHUNK
    return [data[i : i + size] for i in range(0, len(data), size)] or [data]


class Job:
    """Something that is done a little later, in a thread."""

    def __init__(self, after=0.05):
        self.after = after
        self.done = threading.Event()
        self.result = None
        self.log = []

    def start(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def work(self):
        """Runs in the caller's thread."""
        if faulty("hung-worker"):
            threading.Event().wait()
        time.sleep(self.after)
        self.log.append("worked")

    def _run(self):
        time.sleep(self.after)
        if faulty("wrong-result"):
            self.result = "wrong"
        elif not faulty("no-result"):
            self.result = "right"
        if not faulty("missed-set"):
            self.done.set()

    def send_to(self, queue):
        def send():
            time.sleep(self.after)
            if not faulty("missed-item"):
                queue.put("wrong" if faulty("wrong-item") else "item")

        threading.Thread(target=send, daemon=True).start()
