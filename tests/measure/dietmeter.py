"""A pytest plugin that measures what a suite really costs, so that a diet can be told in figures.

    PYTHONPATH=tests/measure python -m pytest -p dietmeter --diet-report=report.json

What it counts is what *test code* does: a call belongs to test code when the file of its immediate caller lies under
pytest's ``testpaths`` (or under the root folder, when there are none). The product may sleep as it likes.

===================  ====================================================================
``sleep``            seconds passed to ``time.sleep`` and ``asyncio.sleep``, all threads
``threads``          most threads alive at one time, whoever started them
``bare_joins``       calls of ``join`` on a thread or process without a timeout
``largest_peak``     bytes: the most that one test had allocated at one time, as ``tracemalloc`` sees it
``sum_of_peaks``     bytes: the largest peak of each file, added up
``runtime``          seconds from the first test to the end of the last one
``outcomes``         how each test ended
===================  ====================================================================
"""

import asyncio
import json
import multiprocessing.process
import os
import sys
import threading
import time
import tracemalloc

import pytest


class Meter:
    """Counts while it is plugged in; puts everything back when it is unplugged."""

    def __init__(self, folders):
        self.folders = tuple(os.path.join(str(folder), "") for folder in folders)
        self.sleep = 0.0
        self.threads = 0
        self.bare_joins = 0
        self.peaks = {}
        self.outcomes = {}
        self.started = None
        self.runtime = 0.0
        self._lock = threading.Lock()
        self._originals = []

    # -- what is measured ------------------------------------------------------------------------------------------

    def plug_in(self):
        meter = self

        def sleep(original):
            def measured(seconds, *args, **kwargs):
                meter.slept(seconds)
                return original(seconds, *args, **kwargs)

            return measured

        def join(original):
            def measured(self, timeout=None):
                if timeout is None:
                    meter.joined()
                return original(self, timeout)

            return measured

        def start(original):
            def measured(self):
                original(self)
                meter.threads = max(meter.threads, threading.active_count())

            return measured

        self._replace(time, "sleep", sleep)
        self._replace(asyncio, "sleep", sleep)
        self._replace(threading.Thread, "join", join)
        self._replace(multiprocessing.process.BaseProcess, "join", join)
        self._replace(threading.Thread, "start", start)
        tracemalloc.start()

    def unplug(self):
        tracemalloc.stop()
        while self._originals:
            holder, name, original = self._originals.pop()
            setattr(holder, name, original)

    def _replace(self, holder, name, wrapped):
        original = getattr(holder, name)
        self._originals.append((holder, name, original))
        setattr(holder, name, wrapped(original))

    def _from_test_code(self):
        # This function, the counter that asks, the replacement: the caller is the fourth frame.
        return sys._getframe(3).f_code.co_filename.startswith(self.folders)

    def slept(self, seconds):
        if self._from_test_code():
            with self._lock:
                self.sleep += float(seconds)

    def joined(self):
        if self._from_test_code():
            with self._lock:
                self.bare_joins += 1

    # -- pytest's hooks --------------------------------------------------------------------------------------------

    def pytest_runtestloop(self):
        self.started = time.perf_counter()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
        self.peaks[pyfuncitem.nodeid] = max(peak, self.peaks.get(pyfuncitem.nodeid, 0))

    def pytest_runtest_logreport(self, report):
        known = self.outcomes.get(report.nodeid)
        # A test that fails in any of its phases has failed; one that is skipped in its setup has no call.
        if known is None or report.outcome == "failed" or (known == "passed" and report.when == "call"):
            self.outcomes[report.nodeid] = report.outcome
        self.runtime = time.perf_counter() - self.started

    def report(self):
        files = {}
        for test, peak in self.peaks.items():
            file = test.split("::")[0]
            files[file] = max(peak, files.get(file, 0))
        return {
            "sleep": round(self.sleep, 3),
            "threads": self.threads,
            "bare_joins": self.bare_joins,
            "largest_peak": max(files.values(), default=0),
            "sum_of_peaks": sum(files.values()),
            "runtime": round(self.runtime, 3),
            "outcomes": self.outcomes,
        }


def pytest_addoption(parser):
    parser.addoption("--diet-report", metavar="FILE", help="write what the suite costs to FILE, as JSON")


def pytest_configure(config):
    if config.getoption("--diet-report"):
        folders = [config.rootpath / path for path in config.getini("testpaths")] or [config.rootpath]
        config.diet_meter = Meter(folders)
        config.pluginmanager.register(config.diet_meter, "diet-meter")
        config.diet_meter.plug_in()


def pytest_unconfigure(config):
    meter = getattr(config, "diet_meter", None)
    if meter is not None:
        meter.unplug()
        with open(config.getoption("--diet-report"), "w", encoding="utf-8") as out:
            json.dump(meter.report(), out, indent=1)
