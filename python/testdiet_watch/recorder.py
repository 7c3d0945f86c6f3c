"""Records what each test of a run does, for the program that started pytest.

A pytest plugin, handed over with ``-p testdiet_watch.recorder``. The order comes as JSON in ``$TESTDIET_RECORD``; without it the
plugin does nothing. What it tells goes to a file of JSON lines, one for each process that runs tests, so that it survives
workers of pytest-xdist, forks and crashes: the line that names a test is written before the test starts.

Readers are ``src/pytest/stream.rs`` (the events) and ``src/pytest/facts.rs`` (what is said about a test).

PYTEST_DONT_REWRITE
"""

import json
import os
import sys
import threading

import pytest

#: Seconds for which the figure of the memory in use is good enough.
FRESH = 0.05
#: Seconds that a test on virtual time really waited, from which on it is worth telling why.
NOTICED = 0.05

_encode = json.JSONEncoder(separators=(",", ":")).encode


class System:
    """Functions of the real system, kept where neither a fake clock nor a mocking test replaces them."""

    def __init__(self):
        self.real = Clock.taken()
        self.write = os.write
        self.open = os.open
        self.fstat = os.fstat
        self.sync = getattr(os, "fdatasync", os.fsync)
        self.listdir = os.listdir
        self.stat = os.stat
        self.fds = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
        # Since Linux 6.2 the size of the folder is the count.
        self.counts = False
        self.counts = self.fds is not None and self.stat(self.fds).st_size == self.descriptors()
        self.page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
        self.statm = os.path.exists("/proc/self/statm")
        self.used, self.used_at = 0, 0.0

    def descriptors(self):
        """Descriptors open in this process, or None."""
        if self.fds is None:
            return None
        if self.counts:
            return self.stat(self.fds).st_size
        try:
            # The listing itself needs one.
            return len(self.listdir(self.fds)) - 1
        except OSError:
            # None is left: the limit is reached, and that is worth knowing.
            return None

    def memory(self):
        """Bytes of memory in use a moment ago, or 0."""
        now = self.real.perf()
        if self.statm and now - self.used_at > FRESH:
            self.used, self.used_at = self.resident(), now
        return self.used

    def resident(self):
        try:
            fd = self.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            return 0
        try:
            return int(os.read(fd, 100).split()[1]) * self.page
        finally:
            os.close(fd)


class Stream:
    """The file that events go to. It stays out of the way of tests that close or reuse descriptors that are not theirs.

    What is written survives the death of this process. So that it survives that of the machine too, the program that started pytest
    forces it to disk, ten times a second; with ``each``, every start of a test is on disk before the test starts.
    """

    def __init__(self, system, folder, each):
        self.system = system
        self.path = os.path.join(folder, f"events-{os.getpid()}.jsonl")
        self.each = each
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
        if sync and self.each:
            self.system.sync(self.fd)


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

    def __init__(self, config, order, system, gauges, limits):
        self.order = order
        self.system = system
        self.gauges = gauges
        self.limits = limits
        self.pid = os.getpid()
        self.worker = getattr(config, "workerinput", {}).get("workerid")
        self.stream = Stream(system, order["folder"], each=order["limits"] is not None)
        self.root = os.path.join(str(config.rootpath), "")
        #: What is known of the running test.
        self.known = None
        self.nodeid = None
        #: Seconds of its setup, call and teardown.
        self.phases = None
        self.tally = None
        self.ran = 0
        #: Descriptors open after the last test.
        self.open = system.descriptors()
        #: Not in a child that a test forked.
        self.here = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.leave)
        self.stream.tell({"event": "session", "root": str(config.rootpath), "pid": self.pid, "worker": self.worker})

    def leave(self):
        self.here = False

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
        before = self.open
        self.ran += 1
        self.nodeid = item.nodeid
        alive = threading.active_count()
        self.known = test = {"event": "ended", "test": printable(item.nodeid), "outcome": "passed"}
        self.phases = [0.0, 0.0, 0.0]
        started = {"event": "started", "test": test["test"], "at": system.real.wall(), "threads": alive}
        self.stream.tell({**started, "memory": system.memory(), "descriptors": before}, sync=True)
        if self.gauges is not None:
            self.tally = self.gauges.begin(item, alive)
        start = system.real.perf()
        result = yield
        if not self.here:
            return
        test["wall_s"] = round(system.real.perf() - start, 6)
        test["phases_s"] = [round(seconds, 6) for seconds in self.phases]
        if self.tally is not None:
            self.gauges.finish(self.tally)
            self.describe(test, self.tally)
            self.tally = None
        test["descriptors"] = after = self.open = system.descriptors()
        if after is not None and before is not None:
            test["descriptors_left"] = after - before
        if "slow" in item.keywords and item.get_closest_marker("slow"):
            test["slow"] = True
        if "fast_time" in getattr(item, "fixturenames", ()):
            test["fast_time"] = True
        self.known = None
        if result.excinfo is None:
            # Else it was broken off, by Ctrl-C or pytest.exit: nobody knows how it would have ended.
            self.stream.tell(test)

    def describe(self, test, tally):
        """Adds what a test did. What is left out is nothing."""
        test["threads"] = threads = {"alive": tally.alive}
        if self.limits is not None and any(hit is tally for hit in self.limits.hit):
            test.setdefault("limits", []).append("threads")
        if not tally.sites:
            return
        sites = self.sites(tally)
        threads.update(started=tally.started, peak=tally.peak, leaked=sum(site["leaked"] for site in sites))
        test["processes"] = tally.processes
        for name, kind in (("sleep_s", "sleep"), ("wait_s", "wait")):
            test[name] = round(sum(site["seconds"] for site in sites if site["kind"] == kind), 6)
        test["sites"] = sites

    def sites(self, tally):
        bases = self.gauges.bases
        return [
            {
                "kind": kind,
                "what": printable(what),
                "file": self.relative(file),
                "line": line,
                "function": printable(function),
                "calls": calls,
                "seconds": round(seconds, 6),
                "untimed": untimed,
                "leaked": leaked,
                **({"base": bases[what]} if kind == "join" and bases.get(what, what) != what else {}),
            }
            for (kind, what, file, line, function), (calls, seconds, untimed, leaked) in tally.sites.items()
        ]

    def relative(self, file):
        file = file[len(self.root) :] if file.startswith(self.root) else file
        return printable(file.replace(os.sep, "/"))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        wide = self.gauges is not None and fixturedef.scope != "function"
        if wide:
            self.gauges.wide.append(fixturedef)
        yield
        if wide:
            self.gauges.wide.pop()

    def pytest_runtest_logreport(self, report):
        test = self.known
        if test is None or not self.here or report.nodeid != self.nodeid:
            return
        phase = {"setup": 0, "call": 1, "teardown": 2}.get(report.when)
        if phase is not None:
            self.phases[phase] += report.duration
        fast_time = getattr(report, "fast_time", None)
        if fast_time is not None:
            # What `testdiet.plugin` says of its clock.
            test["virtual_s"] = round(test.get("virtual_s", 0.0) + fast_time["virtual_seconds"], 6)
            if fast_time["real_seconds"] >= NOTICED:
                test["guards"] = sorted(fast_time["guards"])
        if report.outcome == "passed" and not hasattr(report, "wasxfail"):
            return
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
            # The controller of pytest-xdist runs no test: what it does is xdist's.
            outside = self.sites(self.gauges.outside) if self.gauges is not None and self.ran else []
            self.stream.tell({"event": "closed", "exit": int(exitstatus), "outside": outside}, sync=True)

    def pytest_unconfigure(self):
        if self.gauges is not None:
            self.gauges.unplug()


class Tracer:
    """With ``--alloc``: the traced peak of a test's call and of its fixtures, above what was held when each began.

    A stack, because a fixture may ask for another while it is set up.
    """

    def __init__(self, recorder):
        self.recorder = recorder
        #: Bytes held at the start, and the peak since, outermost first.
        self.traces = []

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self):
        self.begin()
        yield
        self.end()

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_fixture_setup(self):
        self.begin()
        yield
        self.end()

    def begin(self):
        if not tracemalloc.is_tracing():
            # A test that traces by itself has switched it off.
            tracemalloc.start()
        held = self.mark()
        self.traces.append([held, held])
        tracemalloc.reset_peak()

    def end(self):
        self.mark()
        held, peak = self.traces.pop()
        test = self.recorder.known
        if test is not None:
            test["alloc_peak"] = max(test.get("alloc_peak", 0), peak - held)

    def mark(self):
        held, peak = tracemalloc.get_traced_memory()
        for trace in self.traces:
            trace[1] = max(trace[1], peak)
        return held


class Watch:
    """With ``--constrain``: which tests fail because of a limit of the system's."""

    def __init__(self, recorder, limits):
        self.recorder = recorder
        self.limits = limits

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call):
        test = self.recorder.known
        if call.excinfo is not None and test is not None:
            limit = self.limits.reached(call.excinfo.value)
            if limit is not None and limit not in test.setdefault("limits", []):
                test["limits"].append(limit)
        yield


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


def end_with_parent():
    """Lets the system end this process when the one that started it is gone, so that no run goes on unseen."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() == 1:
        os._exit(1)


class Prepared:
    """What is plugged in before any module of the project is imported."""

    def __init__(self, order):
        self.order = order
        self.system = System()
        self.limits = self.gauges = None
        if order["limits"] is not None:
            self.limits = Limits(self.system.real, **order["limits"])
            self.limits.apply()
        if order["gauges"] or order["limits"] is not None:
            self.gauges = Gauges(self.system.real, self.limits)
            self.gauges.plug_in()
        if order["alloc"]:
            tracemalloc.start()

    def prepare_workers(self):
        """Lets workers of pytest-xdist load this plugin as early as here; left to themselves they do after conftest.py."""
        os.environ[PLUGINS] = ",".join(filter(None, [__name__, os.environ.get(PLUGINS)]))
        os.environ[ORDER] = _encode({**self.order, "parent": os.getpid()})


#: Names of variables: the order, and pytest's own list of plugins.
ORDER, PLUGINS = "TESTDIET_RECORD", "PYTEST_PLUGINS"


def ordered():
    """The order for this very process, or None."""
    order = json.loads(os.environ.get(ORDER, "null"))
    plugins = os.environ.get(PLUGINS, "").split(",")
    if order is None or __name__ not in plugins:
        return order
    # A worker, or a pytest that a test runs in a worker: that one is the test's own affair.
    plugins.remove(__name__)
    os.environ[PLUGINS] = ",".join(plugins)
    if not os.environ[PLUGINS]:
        del os.environ[PLUGINS]
    return order if os.getppid() == order["parent"] else None


_order = ordered()
_prepared = None
if _order is not None:
    if _order["alloc"]:
        import tracemalloc

    from .gauges import Clock, Gauges
    from .limits import Limits

    _prepared = Prepared(_order)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if _prepared is None:
        return
    if not hasattr(config, "workerinput"):
        end_with_parent()
        if config.getoption("dist", "no") != "no":
            _prepared.prepare_workers()
    recorder = Recorder(config, _order, _prepared.system, _prepared.gauges, _prepared.limits)
    config.pluginmanager.register(recorder, "testdiet-recorder")
    if _order["alloc"]:
        config.pluginmanager.register(Tracer(recorder), "testdiet-tracer")
    if _prepared.limits is not None:
        config.pluginmanager.register(Watch(recorder, _prepared.limits), "testdiet-limits")
