"""The plugin is taken from this checkout; `pytester` runs suites of its own with it."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs a suite of one file in a process of its own, with no other plugins than the options name."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, *options):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess("-p", "testdiet.plugin", "-p", "no:cacheprovider", *options)

    return run
