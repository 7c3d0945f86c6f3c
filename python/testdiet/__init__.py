"""testdiet: virtual time for tests with real threads, and what testdiet's fixes put into tests.

PYTEST_DONT_REWRITE: imported before pytest marks installed plugins, which is a warning, and an error where warnings are.
"""


def __getattr__(name):
    if name == "wait_until":
        from testdiet.waiting import wait_until

        return wait_until
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
