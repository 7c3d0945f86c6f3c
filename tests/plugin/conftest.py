"""The plugin is taken from this checkout; `pytester` runs suites of its own with it."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester):
    """Runs a suite of one file in a process of its own; options before the source."""

    def run(source, *options):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess("-p", "testdiet.plugin", "-p", "no:cacheprovider", "-p", "no:randomly", *options)

    return run
