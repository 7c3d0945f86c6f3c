"""Watches what ``testdiet fix --verify`` compares: product lines covered by each test, how failures read, where the product
is loaded from.

A pytest plugin beside the recorder, handed over with ``-p testdiet_watch.prover``. The order is a JSON file named by
``$TESTDIET_PROVE``; without it the plugin does nothing. What it finds goes to files of JSON lines beside the recorder's events,
one for each process that runs tests. Their reader is ``src/verify/session.rs``.

It also picks the tests: those that a fix can reach, by file and function, so that no node ids have to be known before.

PYTEST_DONT_REWRITE
"""

import ast
import faulthandler
import importlib.util
import json
import os
import sys

import pytest

#: Lines of a failure that are told.
TAIL = 12


class Prover:
    """The hooks."""

    def __init__(self, config, order):
        self.config = config
        self.order = order
        self.pid = os.getpid()
        self.shadow = os.path.realpath(order["shadow"])
        self.original = os.path.realpath(order["original"])
        self.path = os.path.join(order["keep"], f"proof-{self.pid}.jsonl")
        self.stacks = None
        self.coverage = None
        self.names = {}
        #: The tracers of the threads that the test started, its own fixtures included, and those of wider fixtures.
        self.own, self.shared = [], set()

    # -- names ---------------------------------------------------------------------------------------------------------

    def name(self, item):
        """The test's name here and at home: its file below the project's root, and the rest of its node id."""
        known = self.names.get(item.nodeid)
        if known is None:
            rest = item.nodeid.partition("::")[2]
            known = self.names[item.nodeid] = printable(f"{self.below(str(item.path))}::{rest}")
        return known

    def below(self, path):
        path = os.path.realpath(path)
        if path.startswith(self.shadow + os.sep):
            path = os.path.relpath(path, self.shadow)
        return path.replace(os.sep, "/")

    def tell(self, event):
        if os.getpid() != self.pid:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=True, separators=(",", ":")) + "\n")

    # -- which tests ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        kept, left = [], []
        for item in items:
            (kept if self.wanted(item) else left).append(item)
        if left:
            config.hook.pytest_deselected(items=left)
        items[:] = kept
        self.tell({"equipped": found("testdiet") is not None})
        for item in kept:
            self.tell({"item": printable(item.nodeid), "name": self.name(item)})

    def wanted(self, item):
        name = self.name(item)
        tests = self.order["tests"]
        if tests is not None:
            return name in tests
        functions = self.order["files"].get(name.partition("::")[0])
        if functions is None or functions is True:
            return bool(functions)
        return item.name in functions or getattr(item, "originalname", None) in functions

    def pytest_collectreport(self, report):
        if report.failed:
            self.tell({"uncollected": printable(report.nodeid), "tail": tail(report.longreprtext)})

    # -- each test -----------------------------------------------------------------------------------------------------

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        name = self.name(item)
        limit = (self.order["tests"] or {}).get(name) or self.order["limit"]
        if self.coverage is not None:
            self.coverage.switch_context(name)
        if limit:
            # From C, so that it ends a test that never lets go of the interpreter's lock as well.
            self.stacks = open(os.path.join(self.order["keep"], f"hung-{self.pid}.txt"), "w", encoding="utf-8")
            faulthandler.dump_traceback_later(limit, exit=True, file=self.stacks)
        yield
        if limit and os.getpid() == self.pid:
            faulthandler.cancel_dump_traceback_later()
            self.stacks.close()
        if self.coverage is not None:
            self.let_go()
            self.coverage.switch_context("")

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        before = len(self.tracers())
        yield
        self.own += self.tracers()[before:]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef):
        before = len(self.tracers())
        yield
        if fixturedef.scope == "function":
            self.own += self.tracers()[before:]
        else:
            self.shared.update(self.tracers()[before:])

    def tracers(self):
        """coverage's tracers, one for each thread, in the order in which the threads started. None where coverage keeps none."""
        return getattr(getattr(self.coverage, "_collector", None), "tracers", [])

    def let_go(self):
        """What threads that a test leaves running do from now on is not what the next tests do. Those of wider fixtures serve them."""
        for tracer in self.own:
            if hasattr(tracer, "data") and tracer not in self.shared:
                tracer.data = {}
        self.own = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        report = outcome.get_result()
        if report.failed:
            self.tell({"test": self.name(item), "tail": tail(report.longreprtext)})

    # -- the run -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        controls = getattr(self.config.option, "dist", "no") != "no" and not hasattr(self.config, "workerinput")
        if not self.order["coverage"] or controls:
            return
        try:
            import coverage
        except ImportError:
            self.tell({"coverage": False})
            return
        omit = [os.path.join(self.shadow, *path.split("/")) for path in self.order["omit"]]
        omit.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*"))
        # The clock: as `testdiet init` wrote it into the suite, or installed in a way that makes it look like the product.
        omit.append(os.path.join("*", "_testdiet.py"))
        omit.extend(os.path.join(folder, "*") for folder in folders_of("testdiet"))
        # The tracer that sees a line again in each test; `sys.monitoring` reports it once.
        chosen = os.environ.get("COVERAGE_CORE")
        os.environ["COVERAGE_CORE"] = "ctrace" if importlib.util.find_spec("coverage.tracer") else "pytrace"
        try:
            measure = coverage.Coverage(data_file=None, config_file=False, omit=omit, check_preimported=False, messages=False)
            measure._warn_no_data = False
            measure.start()
        finally:
            if chosen is None:
                del os.environ["COVERAGE_CORE"]
            else:
                os.environ["COVERAGE_CORE"] = chosen
        self.coverage = measure
        self.tell({"coverage": True})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        if os.getpid() != self.pid:
            return
        if self.coverage is not None:
            measure, self.coverage = self.coverage, None
            measure.stop()
            self.tell_lines(measure.get_data())
        strays = []
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str):
                continue
            path = os.path.realpath(path)
            if path.startswith(self.original + os.sep):
                here = os.path.join(self.shadow, os.path.relpath(path, self.original))
                # What was not copied (a virtual environment in the project) is used where it is.
                if os.path.exists(here):
                    strays.append([printable(str(module.__name__)), printable(path)])
        self.tell({"strays": strays})

    def tell_lines(self, data):
        """Lines of functions, by test, as the bits of a number: what runs on import runs in whichever test is the first."""
        for path in data.measured_files():
            inner = inner_lines(path)
            tests = {}
            for line, contexts in data.contexts_by_lineno(path).items():
                if inner is not None and line not in inner:
                    continue
                for name in contexts:
                    if name:
                        tests[name] = tests.get(name, 0) | 1 << line
            if tests:
                self.tell({"file": printable(self.below(path)), "lines": {name: f"{bits:x}" for name, bits in tests.items()}})


def inner_lines(path):
    """The lines of the bodies of a file's functions; None when it cannot be read."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in node.body:
                lines.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return lines


def found(name):
    """A module that was imported, or the spec of one that can be; None for one that cannot."""
    try:
        return sys.modules.get(name) or importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def folders_of(name):
    """The folders of a package; none of a module that is one file."""
    package = found(name)
    return list(getattr(package, "__path__", None) or getattr(package, "submodule_search_locations", None) or ())


def printable(text):
    """Text that is valid in JSON for everyone: a lone surrogate is not."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def tail(text):
    """The end of a failure's text."""
    return printable("\n".join(text.rstrip().splitlines()[-TAIL:]))


_order = os.environ.get("TESTDIET_PROVE")


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config):
    # The project's own coverage would get in the way of ours.
    _without_cov(early_config.known_args_namespace)
    yield


def _without_cov(options):
    if _order and getattr(options, "cov_source", None):
        options.cov_source = []


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if _order:
        # Workers of pytest-xdist are given these options.
        _without_cov(config.option)
        with open(_order, encoding="utf-8") as file:
            config.pluginmanager.register(Prover(config, json.load(file)), "testdiet-prover")
