import threading


class Monitor:
    def __init__(self, timeout=0.2):
        self.timeout = timeout
        self._stop = threading.Event()
        self._thread = None

    def start(self):
        self._launch()
        return self

    def _launch(self):
        self._thread = threading.Thread(target=self._stop.wait, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()


class Job:
    """Starts nothing but itself."""

    def start(self):
        self.started = True

    def stop(self):
        self.started = False
