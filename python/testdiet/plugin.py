"""The pytest plugin: the ``fast_time`` fixture, ``--fast-time``, ``with_cleanup``, and the check for leaked threads.

Costs nothing until asked: loading it imports no more than pytest has, nothing is replaced before a test wants it, and what
pytest would have to call for each test is registered only when a collected test, or the whole run, wants it.

For other plugins: after a test, ``item.stash[STATS]`` is its :class:`testdiet.clock.Stats` (only where the clock was asked
for), the report of its teardown has them as ``report.fast_time`` (``virtual_seconds``, ``real_seconds``, ``jumps``,
``guards``; plain values, so that they cross xdist), and ``testdiet.clock.Real`` has the functions of the real clock.

PYTEST_DONT_REWRITE
"""

import sys
import threading

import pytest

#: The key of a test's figures in ``item.stash``.
STATS = pytest.StashKey()

#: Seconds: a test that really waited for less is not told to have run on real time.
REALLY_WAITED = 0.05

_infrastructure = None


def pytest_addoption(parser):
    group = parser.getgroup("testdiet")
    try:
        group.addoption(
            "--fast-time",
            dest="fast_time",
            action="store_true",
            default=False,
            help="run every test on virtual time, but for those marked real_time: sleeps and timeouts take no time",
        )
        parser.addini("fast_time", "run every test on virtual time, as --fast-time does", type="bool", default=False)
        parser.addini(
            "fail_on_leaked_threads",
            "fail the test after which a thread that it started still runs, daemon or not",
            type="bool",
            default=False,
        )
    except ValueError:
        # The same plugin under another name: the package, and a copy of it in the suite.
        pass


def pytest_load_initial_conftests(early_config):
    # Before the suite's own code is imported, so that what that takes from `time` is the clock's already.
    _note_infrastructure()
    if _whole_run(early_config, early_config.known_args_namespace):
        _install()


def pytest_configure(config):
    _note_infrastructure()
    config.addinivalue_line("markers", "real_time: run this test on the real clock, whatever --fast-time says")
    if _whole_run(config, config.option):
        _install()
        _register(config, _Running)
    if _whole_run(config, config.option) or config.getoption("dist", "no") != "no":
        # The controller of pytest-xdist collects nothing: it gets to know by what its workers report.
        _register(config, _Told)
    if config.getini("fail_on_leaked_threads"):
        _register(config, _LeakCheck)


def pytest_collection_finish(session):
    if any(map(_asks, session.items)):
        # Keeps the real functions for itself before a fixture puts a mock in their place.
        from testdiet.install import note_sleep

        note_sleep(session.config.rootpath)

        _register(session.config, _Running)
        _register(session.config, _Told)


def _asks(item):
    """Whether a test asks for the fixture ``fast_time``, and not for one of the suite's own by that name."""
    if "fast_time" not in getattr(item, "fixturenames", ()):
        return False
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get("fast_time")
    return not definitions or definitions[-1].func.__module__ == __name__


def _register(config, make):
    """The plugin of that class, registered now if it was not."""
    name = f"{__name__}-{make.__name__.strip('_').lower()}"
    registered = config.pluginmanager.get_plugin(name)
    if registered is None:
        registered = make()
        config.pluginmanager.register(registered, name)
    return registered


def _note_infrastructure():
    global _infrastructure
    if _infrastructure is None:
        _infrastructure = set(sys._current_frames())


def _whole_run(config, options):
    return bool(getattr(options, "fast_time", False) or config.getini("fast_time"))


def _install():
    from testdiet.install import install, supported

    reason = supported()
    if reason is None:
        install(_infrastructure)
    return reason


# -- a test ------------------------------------------------------------------------------------------------------------------


class _Running:
    """Tests on the clock: begins and ends them."""

    def __init__(self):
        #: A test runs that asked for the clock.
        self.running = False
        #: It asked when its protocol had begun, which may have been before there was this object to end it.
        self.late = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if _whole_run(item.config, item.config.option) or _asks(item):
            self.begin(item)
        try:
            yield
        finally:
            self.end()

    def begin(self, item, late=False):
        self.running, self.late = True, late
        _begin(item)

    def end(self):
        if self.running:
            self.running = False
            _end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        if self.running:
            from testdiet.guards import guards

            # What plugins have started around the test by now, as pytest does for faulthandler_timeout, is not the test's.
            guards.know_idle_tasks()

    def pytest_runtest_logfinish(self):
        # Not those that began in time: plugins that repeat a test finish it several times.
        if self.late:
            self.end()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        stats = item.stash.get(STATS, None)
        if stats is not None and call.when == "teardown":
            outcome.get_result().fast_time = {
                "virtual_seconds": stats.virtual_seconds,
                "real_seconds": stats.real_seconds,
                "jumps": stats.jumps,
                "guards": dict(stats.guards),
            }


def _begin(item):
    reason = _install()
    if reason is None and item.get_closest_marker("real_time"):
        reason = "real_time: the test is marked so"
    from testdiet.clock import clock
    from testdiet.guards import guards
    from testdiet.install import install_asyncio

    if clock.installed:
        install_asyncio()
        guards.start_test(_functions(item))
    item.stash[STATS] = clock.start_test(reason)


def _end():
    from testdiet.clock import clock
    from testdiet.install import end_test

    clock.end_test()
    end_test()


def _functions(item):
    """The functions that a test's file holds of it: its own and its fixtures'."""
    yield getattr(item, "function", None)
    info = getattr(item, "_fixtureinfo", None)
    for definitions in getattr(info, "name2fixturedefs", {}).values():
        for definition in definitions:
            yield definition.func


class FastTime:
    """What the ``fast_time`` fixture gives a test."""

    def __init__(self, stats):
        #: What the clock did so far in this test: ``virtual_seconds``, ``jumps``, ``guards``.
        self.stats = stats


@pytest.fixture
def fast_time(request):
    """Virtual time: sleeps and timeouts of this test take no time, and its threads do what they would have done."""
    item = request.node
    if item.stash.get(STATS, None) is None:
        # Asked for by request.getfixturevalue: nobody knew before.
        _register(item.config, _Told)
        _register(item.config, _Running).begin(item, late=True)
    return FastTime(item.stash[STATS])


@pytest.fixture
def with_cleanup():
    """``monitor = with_cleanup(Monitor())``: stopped when the test ends, by its stop, close, shutdown, terminate or cancel."""
    from testdiet.waiting import Cleanup

    cleanup = Cleanup()
    yield cleanup
    cleanup.close()


# -- leaked threads ----------------------------------------------------------------------------------------------------------


class _LeakCheck:
    """Fails the test after which a thread that it started still runs."""

    def __init__(self):
        self.started_by_fixtures = set()
        #: The threads that were there when the running test began.
        self.before = None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        before = None if fixturedef.scope == "function" else set(threading.enumerate())
        yield
        if before is not None:
            # They live as long as the fixture does, which is longer than this test.
            self.started_by_fixtures.update(set(threading.enumerate()) - before)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self):
        self.before = set(threading.enumerate())
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self):
        outcome = yield
        from testdiet.waiting import leaked_threads

        self.started_by_fixtures.intersection_update(threading.enumerate())
        leaked = leaked_threads(self.before | self.started_by_fixtures)
        if leaked and outcome.excinfo is None:
            names = "\n".join(f"  {thread!r}" for thread in leaked)
            outcome.force_exception(pytest.fail.Exception(f"{len(leaked)} threads still run after the test:\n{names}", pytrace=False))


# -- what is told at the end --------------------------------------------------------------------------------------------------


class _Told:
    """What the reports said, gathered for the summary: here, or from the workers of xdist."""

    def __init__(self):
        self.tests = 0
        self.saved = 0.0
        self.real = {}

    def pytest_runtest_logreport(self, report):
        figures = getattr(report, "fast_time", None)
        if figures is None:
            return
        self.tests += 1
        self.saved += figures["virtual_seconds"]
        if figures["real_seconds"] >= REALLY_WAITED or "real_time: the test is marked so" in figures["guards"]:
            for reason in figures["guards"]:
                self.real.setdefault(reason, []).append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter):
        if not self.tests:
            return
        on_real_time = {test for tests in self.real.values() for test in tests}
        line = f"fast_time: {self.saved:.1f} s saved in {self.tests} tests"
        if on_real_time:
            line += f"; {len(on_real_time)} on real time"
        terminalreporter.write_line(line)
        for reason, tests in sorted(self.real.items(), key=lambda entry: -len(entry[1])):
            terminalreporter.write_line(f"  {reason}: {len(tests)} ({tests[0]}{', …' if len(tests) > 1 else ''})")
