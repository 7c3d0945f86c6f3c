"""Records what each test of a run does, for the program that started pytest.

A pytest plugin, handed over with ``-p testdiet.recorder``. The order comes as JSON in ``$TESTDIET_RECORD``; without it the
plugin does nothing. What it tells goes to a file of JSON lines, one for each process that runs tests, so that it survives
workers of pytest-xdist, forks and crashes: the line that names a test is written before the test starts.

Readers are ``src/pytest/stream.rs`` (the events) and ``src/pytest/facts.rs`` (what is said about a test).
"""

import json
import os
import sys
import threading
import time

import pytest

#: Seconds between two moments at which what was written is forced to disk. A write alone survives the death of the process;
#: the disk survives that of the machine, and costs milliseconds.
SYNC = 0.1

_encode = json.JSONEncoder(separators=(",", ":")).encode


class System:
    """Functions of the real system, kept where neither a fake clock nor a mocking test replaces them."""

    def __init__(self):
        self.perf = time.perf_counter
        self.time = time.time
        self.write = os.write
        self.open = os.open
        self.fstat = os.fstat
        self.sync = getattr(os, "fdatasync", os.fsync)
        self.getpid = os.getpid
        self.listdir = os.listdir
        self.stat = os.stat
        self.fds = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
        self.page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
        self.statm = os.path.exists("/proc/self/statm")

    def descriptors(self):
        """Descriptors open in this process, or None."""
        if self.fds is None:
            return None
        try:
            # The listing itself needs one.
            return len(self.listdir(self.fds)) - 1
        except OSError:
            # None is left: the limit is reached, and that is worth knowing.
            return None

    def memory(self):
        """Bytes of memory in use, or 0."""
        if not self.statm:
            return 0
        try:
            fd = self.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            return 0
        try:
            return int(os.read(fd, 100).split()[1]) * self.page
        finally:
            os.close(fd)


class Stream:
    """The file that events go to. It stays out of the way of tests that close or reuse descriptors that are not theirs."""

    def __init__(self, system, folder, each):
        self.system = system
        self.path = os.path.join(folder, f"events-{os.getpid()}.jsonl")
        self.each = each
        self.synced = system.perf()
        self.fd = None
        self.identity = None
        self.reopen()

    def reopen(self):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self.fd = self.system.open(self.path, flags, 0o644)
        self.identity = self.identify()

    def identify(self):
        found = self.system.fstat(self.fd)
        return found.st_dev, found.st_ino

    def tell(self, event, sync=False):
        line = (_encode(event) + "\n").encode("ascii")
        try:
            if self.identify() != self.identity:
                self.reopen()
        except OSError:
            self.reopen()
        self.system.write(self.fd, line)
        if sync:
            now = self.system.perf()
            if self.each or now - self.synced >= SYNC:
                self.system.sync(self.fd)
                self.synced = self.system.perf()


def printable(text):
    """Text that is valid in JSON for everyone: a lone surrogate is not."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def first_line(text):
    lines = text.strip().splitlines()
    return printable(lines[0][:300]) if lines else ""


class Recorder:
    """The hooks."""

    def __init__(self, config, order, system):
        self.config = config
        self.order = order
        self.system = system
        self.pid = os.getpid()
        self.worker = getattr(config, "workerinput", {}).get("workerid")
        self.controls = False
        self.stream = Stream(system, order["folder"], each=order["limits"] is not None)
        self.known = None
        self.stream.tell({"event": "session", "root": str(config.rootpath), "pid": self.pid, "worker": self.worker})

    @property
    def here(self):
        """Not in a child that a test forked."""
        return self.system.getpid() == self.pid

    # -- collecting ------------------------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector):
        if isinstance(collector, pytest.File) and not isinstance(collector, pytest.Package):
            self.stream.tell({"event": "collecting", "file": printable(collector.nodeid)}, sync=True)
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        if not self.order["select"]:
            return
        with open(self.order["select"], encoding="utf-8") as file:
            wanted = set(json.load(file))
        kept = [item for item in items if printable(item.nodeid) in wanted]
        left = [item for item in items if printable(item.nodeid) not in wanted]
        if left:
            config.hook.pytest_deselected(items=left)
        unknown = wanted.difference(printable(item.nodeid) for item in kept)
        if unknown:
            self.stream.tell({"event": "unknown", "tests": sorted(unknown)})
        items[:] = kept

    def pytest_collection_finish(self, session):
        # The controller of pytest-xdist collects nothing.
        if session.items:
            self.stream.tell({"event": "collected", "tests": len(session.items)})

    # -- running ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        system = self.system
        before = system.descriptors()
        self.known = test = {"event": "ended", "test": printable(item.nodeid), "outcome": "passed", "phases_s": [0.0, 0.0, 0.0]}
        started = {"event": "started", "test": test["test"], "at": system.time(), "threads": threading.active_count()}
        self.stream.tell({**started, "memory": system.memory(), "descriptors": before}, sync=True)
        start = system.perf()
        yield
        if not self.here:
            return
        test["wall_s"] = round(system.perf() - start, 6)
        test["descriptors"] = after = system.descriptors()
        if after is not None and before is not None:
            test["descriptors_left"] = after - before
        if item.get_closest_marker("slow"):
            test["slow"] = True
        if "fast_time" in getattr(item, "fixturenames", ()):
            test["fast_time"] = True
        self.known = None
        self.stream.tell(test)

    def pytest_runtest_logreport(self, report):
        test = self.known
        if test is None or not self.here or printable(report.nodeid) != test["test"]:
            return
        phase = {"setup": 0, "call": 1, "teardown": 2}.get(report.when)
        if phase is not None:
            test["phases_s"][phase] = round(test["phases_s"][phase] + report.duration, 6)
        if report.outcome == "rerun":
            test["outcome"] = "passed"
            test.pop("why", None)
            return
        outcome = judged(report, test["outcome"])
        if outcome != test["outcome"]:
            test["outcome"] = outcome
            why = getattr(getattr(report.longrepr, "reprcrash", None), "message", None)
            if report.failed and why:
                test["why"] = first_line(why)

    def pytest_warning_recorded(self, warning_message):
        test = self.known
        if test is not None and self.here:
            test["warnings"] = test.get("warnings", 0) + 1
            text = f"{warning_message.category.__name__}: {first_line(str(warning_message.message))}"
            warned = test.setdefault("warned", [])
            if text not in warned and len(warned) < 20:
                warned.append(text)

    def pytest_sessionfinish(self, exitstatus):
        if self.here:
            self.stream.tell({"event": "closed", "exit": int(exitstatus), "late": []}, sync=True)


def judged(report, known):
    """The outcome of a test after one more report. What failed stays failed."""
    if known in ("failed", "error"):
        return known
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.when == "call":
        return "xpassed" if hasattr(report, "wasxfail") else "passed"
    return known


def end_with(parent):
    """Lets the system end this process when the one that started it is gone, so that no run goes on unseen."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


_order = os.environ.get("TESTDIET_RECORD")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if _order:
        order = json.loads(_order)
        if not hasattr(config, "workerinput"):
            end_with(order["parent"])
        config.pluginmanager.register(Recorder(config, order, System()), "testdiet-recorder")
