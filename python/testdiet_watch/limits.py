"""The limits of another machine, for ``testdiet measure --constrain``.

Threads are counted where they start: the system's own limit on processes and threads (``RLIMIT_NPROC``) does not hold for
root, and counts what else the user runs. Descriptors and memory are the system's to enforce.
"""

import errno
import os
import threading

try:
    import resource
except ImportError:  # Windows
    resource = None


class Limits:
    """Counts threads; knows which errors mean that a limit was reached."""

    def __init__(self, real, threads, descriptors, memory):
        self.descriptors = descriptors
        self.memory = memory
        # The machine's threads are shared by all workers of pytest-xdist.
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self.threads = max(1, threads // workers)
        self.shared = f" (a share of {threads} for each of {workers} workers)" if workers > 1 else ""
        self.real = real
        self.listdir = os.listdir
        self.tasks = "/proc/self/task" if os.path.isdir("/proc/self/task") else None
        # The main thread, and those that pytest-xdist talks with.
        self.base = self.count()
        #: The tallies of the tests that ran into the limit on threads.
        self.hit = []

    def count(self):
        """Threads alive, those of C libraries included where the system tells."""
        if self.tasks is None:
            return threading.active_count()
        try:
            return len(self.listdir(self.tasks))
        except OSError:
            # No descriptor is left to list them with.
            return threading.active_count()

    def apply(self):
        if resource is None:
            return
        for name, value in (("RLIMIT_NOFILE", self.descriptors), ("RLIMIT_AS", self.memory)):
            which = getattr(resource, name, None)
            if which is None:
                continue
            hard = resource.getrlimit(which)[1]
            if hard == resource.RLIM_INFINITY or hard > value:
                # The hard limit too: a process must not be able to take more than the other machine has.
                resource.setrlimit(which, (value, value))

    def thread(self, tally):
        """Refuses a thread over the limit, as a system would."""
        alive = self.count() - self.base
        # One that has been joined may take a moment to leave the system's list.
        patience = 20
        while alive >= self.threads and patience:
            self.real.sleep(0.001)
            patience -= 1
            alive = self.count() - self.base
        if alive >= self.threads:
            self.hit.append(tally)
            raise RuntimeError(
                f"can't start new thread: `testdiet measure --constrain` allows {self.threads} threads beside the main one"
                f"{self.shared}, and {alive} are alive"
            )

    @staticmethod
    def reached(error):
        """The limit that an exception means, or None."""
        if isinstance(error, MemoryError):
            return "memory"
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            return "descriptors"
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return "memory"
        return None
