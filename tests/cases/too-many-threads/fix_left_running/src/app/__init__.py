import threading


class Monitor:
    """Looks after something until it is stopped."""

    def __init__(self, timeout=0.2):
        self.timeout = timeout
        self.ended = threading.Event()
        self.thread = None

    def start(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join(timeout=5.0)

    def _run(self):
        while not self.ended.wait(self.timeout):
            pass


class Job:
    """Does one thing beside its caller, and is done."""

    def __init__(self):
        self.done = False

    def start(self):
        threading.Thread(target=self._run).start()

    def stop(self):
        pass

    def _run(self):
        self.done = True
