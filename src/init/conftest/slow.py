"""Tests marked `slow` are skipped by a plain `pytest`.

They run when they are asked for: by `--runslow`, by `-m ""`, by an expression that names the mark (`-m slow`), or by
their node id. `-m integration` asks for something else and does not run them, which is what an `addopts = -m "not slow"`
would do: one `-m` replaces the other.

`testdiet init` writes this code, from `import` on, into a suite's conftest.py. So that it can stand beside whatever
that file holds, every name starts with `_testdiet` or `pytest_testdiet`, and the hooks say which they are with
`specname` (pytest 7).
"""

import pytest as _testdiet_pytest


@_testdiet_pytest.hookimpl(specname="pytest_addoption")
def pytest_testdiet_slow_option(parser):
    try:
        parser.addoption("--runslow", action="store_true", default=False, help="run tests marked slow as well")
    except ValueError:
        pass  # somebody else has it already, and means the same


@_testdiet_pytest.hookimpl(specname="pytest_configure")
def pytest_testdiet_slow_configure(config):
    # A worker of pytest-xdist gets either the command line of the process that started it or, from versions before 2.0,
    # only its options: this one among them.
    if not hasattr(config.option, "testdiet_all_slow"):
        config.option.testdiet_all_slow = _testdiet_slow_asked_for(config)


@_testdiet_pytest.hookimpl(specname="pytest_collection_modifyitems")
def pytest_testdiet_slow_skip(config, items):
    if getattr(config.option, "testdiet_all_slow", False):
        return
    named = [arg for arg in config.args if "::" in arg]
    skip = _testdiet_pytest.mark.skip(reason="slow: run it with --runslow, with -m slow or by its node id")
    for item in items:
        if item.get_closest_marker("slow") and not any(_testdiet_slow_names(config, arg, item) for arg in named):
            item.add_marker(skip)


def _testdiet_slow_asked_for(config):
    """Whether the command line asks for all slow tests."""
    import argparse
    import os
    import re
    import shlex

    if config.getoption("--runslow", default=False):
        return True
    if config.option.markexpr:
        return re.search(r"\bslow\b", config.option.markexpr) is not None
    # `markexpr` is the same for `pytest` and `pytest -m ""`: what was typed tells them apart. Flags are named so that
    # `-vm ""` is understood, all else is left over.
    typed = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    typed.add_argument("-m", nargs="?", action="append")
    for flag in "hlqsvx":
        typed.add_argument("-" + flag, action="count")
    words = [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *config.invocation_params.args]
    return bool(typed.parse_known_args([str(word) for word in words])[0].m)


def _testdiet_slow_names(config, arg, item):
    """Whether a node id of the command line names a test, its class, or the test without its parameters."""
    import os

    path, _, names = arg.partition("::")
    path = os.path.realpath(os.path.join(str(config.invocation_params.dir), path))
    if not config.option.pyargs and path != os.path.realpath(str(getattr(item, "path", None) or item.fspath)):
        return False
    of_item = item.nodeid.partition("::")[2]
    # `[` ends the names: what follows are parameters, in which anything may stand.
    names, bracket, _ = names.partition("[")
    if bracket:
        return arg.partition("::")[2] == of_item
    names, of_item = names.split("::"), of_item.partition("[")[0].split("::")
    return names == of_item[: len(names)]
