"""testdiet: virtual time for tests with real threads, and what testdiet's fixes put into tests."""


def __getattr__(name):
    if name == "wait_until":
        from testdiet.waiting import wait_until

        return wait_until
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
