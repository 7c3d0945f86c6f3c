"""What testdiet's fixes put into tests: waiting for a condition, and stopping what a test started.

They work on the real clock and on the virtual one.

PYTEST_DONT_REWRITE
"""

import inspect
import os
import threading
import time

#: The environment variable that makes :func:`wait_until` verify.
VERIFY = "TESTDIET_VERIFY"


def wait_until(condition, timeout=5.0, interval=0.01):
    """Calls ``condition`` every ``interval`` seconds until it returns something true, and returns that.

    What the condition raises counts as "not yet". After ``timeout`` seconds an ``AssertionError`` says what did not come true,
    caused by what the last call raised.

    With ``TESTDIET_VERIFY=1`` in the environment it fails when the condition is true at the start: then there is nothing to
    wait for, and the wait would pass whatever the code under test does. ``testdiet fix --verify`` runs tests that way.
    """
    end = time.monotonic() + timeout
    first = True
    while True:
        error = None
        try:
            value = condition()
        except Exception as raised:
            value, error = None, raised
        if value:
            if first and os.environ.get(VERIFY, "0") not in ("", "0"):
                raise AssertionError(f"wait_until: {_shown(condition)} was true before anything was waited for")
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"wait_until: {_shown(condition)} was not true within {timeout:g} s") from error
        first = False
        time.sleep(interval)


def _shown(condition):
    code = getattr(condition, "__code__", None)
    if code is None:
        return repr(condition)
    return f"{condition.__qualname__} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


class Cleanup:
    """The ``with_cleanup`` fixture: hands back what it is given, and stops it when the test ends, the last one first.

    An object's own ``stop``, ``cancel``, ``terminate``, ``close`` or ``shutdown`` is called, whichever it has first, and then
    ``join`` or ``wait`` where it is a thread or a process; one that runs on fails the test.
    """

    STOPPING = ("stop", "cancel", "terminate", "close", "shutdown")
    #: Seconds that a thread or process may take to end.
    GRACE = 5.0

    def __init__(self):
        self._objects = []

    def __call__(self, obj):
        if not self._stopping(obj) and not _joinable(obj):
            raise TypeError(f"with_cleanup: {type(obj).__name__} has none of {', '.join(self.STOPPING)} or join")
        self._objects.append(obj)
        return obj

    def _stopping(self, obj):
        return next((name for name in self.STOPPING if callable(getattr(obj, name, None))), None)

    def close(self):
        """Stops everything, also when stopping one of them fails; the first failure is raised at the end."""
        failure = None
        while self._objects:
            try:
                self._stop(self._objects.pop())
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _stop(self, obj):
        if _joinable(obj) and not _started(obj):
            return
        name = self._stopping(obj)
        if name is not None:
            result = getattr(obj, name)()
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(f"with_cleanup: {type(obj).__name__}.{name} has to be awaited, so await it in the test")
        if _joinable(obj):
            obj.join(self.GRACE)
            if obj.is_alive():
                raise AssertionError(f"with_cleanup: {obj!r} still runs {self.GRACE:g} s after {name or 'the test'}")
        elif name == "terminate" and callable(getattr(obj, "wait", None)):
            obj.wait(self.GRACE)
        elif name in ("terminate", "close", "shutdown", "stop") and callable(getattr(obj, "join", None)):
            # A pool or a helper with threads of its own: a join that takes no timeout, or its own.
            obj.join()


def _joinable(obj):
    return callable(getattr(obj, "join", None)) and callable(getattr(obj, "is_alive", None))


def _started(obj):
    return getattr(obj, "ident", True) is not None


def leaked_threads(before, grace=1.0):
    """The threads that are not in ``before`` and still run after ``grace`` seconds of real time, daemons included."""
    import gc

    from testdiet.clock import Real

    end = Real.monotonic() + grace
    while True:
        leaked = [t for t in threading.enumerate() if t not in before and t.is_alive() and not _of_harness(t)]
        if not leaked or Real.monotonic() >= end:
            return leaked
        gc.collect()
        Real.sleep(0.01)


def _of_harness(thread):
    name = type(thread).__module__ + " " + str(getattr(getattr(thread, "function", None), "__module__", "")) + " " + thread.name
    return "pytest_timeout" in name
