"""The real machine: its clock, its CPUs, and what a thread has had of them.

PYTEST_DONT_REWRITE
"""

import functools
import gc
import inspect
import os
import threading
import time


def _real_sleep():
    """``time.sleep`` itself, whatever stands for it by now."""
    builtin = type(time.monotonic)
    if not isinstance(time.sleep, builtin):
        for one in gc.get_objects():
            if type(one) is builtin and one.__self__ is time and one.__name__ == "sleep":
                return one
    return inspect.unwrap(time.sleep)


class Real:
    """The functions of the real clock, as they were before anything was replaced. For whoever must not be fooled.

    Those of the real system as well: a test may have put a file system of its own in their place, or forbidden to block.
    """

    sleep = staticmethod(_real_sleep())
    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)
    perf_counter = staticmethod(time.perf_counter)
    perf_counter_ns = staticmethod(time.perf_counter_ns)
    time_ns = staticmethod(time.time_ns)
    localtime = staticmethod(time.localtime)
    gmtime = staticmethod(time.gmtime)
    ctime = staticmethod(time.ctime)
    asctime = staticmethod(time.asctime)
    strftime = staticmethod(time.strftime)
    condition_wait = threading.Condition.wait
    thread_start = threading.Thread.start
    thread_join = threading.Thread.join
    bootstrap_inner = threading.Thread._bootstrap_inner
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    stat = staticmethod(os.stat)
    fstat = staticmethod(os.fstat)
    listdir = staticmethod(os.listdir)
    readlink = staticmethod(getattr(os, "readlink", None))
    # Last: from here on the name means this.
    time = staticmethod(time.time)


if hasattr(time, "clock_gettime_ns"):
    # time-machine 2 exchanges the code of time.monotonic itself while somebody travels.
    real_ns = functools.partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
else:
    real_ns = time.monotonic_ns

thread_ns = time.thread_time_ns


_READ_ONLY = os.O_RDONLY


def contents(path):
    """What is in a file, as bytes; an OSError where it cannot be read."""
    descriptor = Real.open(path, _READ_ONLY)
    try:
        parts = []
        while not parts or parts[-1]:
            parts.append(Real.read(descriptor, 65536))
        return b"".join(parts)
    finally:
        Real.close(descriptor)


def scheduled(native_id):
    """What the operating system tells of a thread, by its number there: nanoseconds of CPU time, how often it was given a CPU, and whether
    it wants one now; None when it is gone, or the system does not tell."""
    try:
        used, _, times = map(int, contents(f"/proc/self/task/{native_id}/schedstat").split())
        # Runnable, or waiting for a disk, which ends by itself.
        runs = contents(f"/proc/self/task/{native_id}/stat").rpartition(b")")[2].split()[0] in (b"R", b"D")
    except (OSError, IndexError, ValueError):
        return None
    return used, times, runs


class OneCpu:
    """Has threads that wait woken on one CPU, where the system lets them choose: the one on which the test began.

    Who wakes another thread and then waits leaves a CPU idle while another one has to be roused: half of what a waking takes (21 of
    43 microseconds, measured). Nobody else sees it, as a thread that was woken may run wherever it might before.
    """

    def __init__(self):
        self._one = None
        # A test may replace those of `os`.
        self._get, self._set = getattr(os, "sched_getaffinity", None), getattr(os, "sched_setaffinity", None)

    def choose(self):
        """The CPU that runs the calling thread now is the one."""
        self._one = None
        try:
            if self._set is not None and len(self._get(0)) > 1:
                self._one = {int(contents("/proc/thread-self/stat").rpartition(b")")[2].split()[36])}
        except (OSError, IndexError, ValueError):
            pass

    def gather(self):
        """The calling thread is about to wait: what :meth:`scatter` has to know; None when nothing was changed."""
        one = self._one
        if one is None:
            return None
        try:
            anywhere = self._get(0)
            if not one < anywhere:
                return None
            self._set(0, one)
        except OSError:
            self._one = None
            return None
        return one, anywhere

    def scatter(self, gathered):
        """It has waited: it may run wherever it might before, unless somebody has said otherwise meanwhile."""
        one, anywhere = gathered
        try:
            if self._get(0) == one:
                self._set(0, anywhere)
        except OSError:
            pass
