"""The plugin as its users meet it: pytest in a process of its own, its outcomes and what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from summary import assert_saved

SLEEPER = """
    import time

    def test_sleeps():
        before = time.monotonic()
        time.sleep(3600)
        assert time.monotonic() - before >= 3600
"""


def test_whole_run(run):
    result = run(SLEEPER, "--fast-time")
    result.assert_outcomes(passed=1)
    assert_saved(result, 3600, tests=1)


def test_whole_run_by_ini(run, pytester):
    pytester.makeini("[pytest]\nfast_time = true\n")
    run(SLEEPER).assert_outcomes(passed=1)


def test_unasked_it_does_nothing(run):
    result = run(
        """
        import sys, threading, time

        def test_real():
            assert type(time.sleep).__name__ == "builtin_function_or_method"
            assert threading.Thread.start.__module__ == "threading"
            assert not [name for name in sys.modules if name.startswith("testdiet.") and name != "testdiet.plugin"]
        """
    )
    result.assert_outcomes(passed=1)
    assert "fast_time" not in result.stdout.str()


def test_fixture_and_stats(run):
    result = run(
        """
        import time

        def test_it(fast_time):
            time.sleep(100)
            assert fast_time.stats.virtual_seconds >= 99
            assert fast_time.stats.jumps == 1
            assert fast_time.stats.guards == {}
        """
    )
    result.assert_outcomes(passed=1)


def test_testcase_class(run):
    result = run(
        """
        import time, unittest, pytest

        @pytest.mark.usefixtures("fast_time")
        class Case(unittest.TestCase):
            def setUp(self):
                time.sleep(3600)

            def test_it(self):
                time.sleep(3600)
        """
    )
    result.assert_outcomes(passed=1)
    assert_saved(result, 7200, tests=1)


def test_real_time_mark(run):
    result = run(
        """
        import time, pytest

        @pytest.mark.real_time
        def test_it():
            before = time.clock_gettime(time.CLOCK_MONOTONIC) if hasattr(time, "CLOCK_MONOTONIC") else None
            time.sleep(0.2)
            assert before is None or time.clock_gettime(time.CLOCK_MONOTONIC) - before >= 0.2
        """,
        "--fast-time",
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["fast_time: 0.0 s saved in 1 tests; 1 on real time", "  real_time: the test is marked so: 1 (*"])


def test_given_twice(run):
    run(SLEEPER, "-p", "testdiet.plugin", "--fast-time").assert_outcomes(passed=1)


def test_deadlock_fails_with_every_stack(run):
    result = run(
        """
        import threading

        def waits_for_ever(event):
            event.wait()

        def test_it():
            event = threading.Event()
            threading.Thread(target=waits_for_ever, args=(event,), daemon=True, name="the-other").start()
            try:
                event.wait()
            except Exception:
                pass

        def test_next():
            pass
        """,
        "--fast-time",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*every thread waits without a deadline*", "*'the-other'*", "*waits_for_ever*"])


def test_leaked_threads_do_not_turn_it_off(run):
    result = run(
        """
        import threading, time

        def idle():
            threading.Event().wait()

        def poll():
            while True:
                time.sleep(10)

        def test_leaks():
            threading.Thread(target=idle, daemon=True).start()
            threading.Thread(target=poll, daemon=True).start()

        def test_later(fast_time):
            time.sleep(3600)
            assert fast_time.stats.virtual_seconds > 3599 and not fast_time.stats.guards
        """,
        "--fast-time",
    )
    result.assert_outcomes(passed=2)


def test_thread_from_before_is_a_guard(run):
    result = run(
        """
        import threading, time, pytest

        quit = threading.Event()

        def test_real():
            threading.Thread(target=quit.wait, name="from-before", daemon=True).start()

        def test_asks(fast_time):
            time.sleep(0.1)
            assert any("'from-before' was not started under the clock" in reason for reason in fast_time.stats.guards)
            quit.set()
        """
    )
    result.assert_outcomes(passed=2)


def test_open_socket_is_a_guard(run):
    result = run(
        """
        import socket, time

        def test_it(fast_time):
            with socket.socket():
                time.sleep(0.1)
            assert list(fast_time.stats.guards) == ["socket: one is open"]
            time.sleep(3600)
            assert fast_time.stats.virtual_seconds > 3599
        """
    )
    result.assert_outcomes(passed=1)


def test_runaway(run):
    result = run(
        """
        import time

        def test_it(fast_time):
            from testdiet import clock
            for _ in range(clock.RUNAWAY):
                time.sleep(60)
            time.sleep(0.1)
            assert any(reason.startswith("runaway") for reason in fast_time.stats.guards)

        def test_next(fast_time):
            time.sleep(3600)
            assert fast_time.stats.jumps == 1
        """
    )
    result.assert_outcomes(passed=2)


def test_captured_earlier(run, pytester):
    pytester.makepyfile(
        product="""
        import time
        from functools import partial
        from time import monotonic

        class Cache:
            clock = staticmethod(time.monotonic)

            def __init__(self, timer=time.monotonic):
                self.timer = timer
                self.made = timer()

        cache = Cache()
        pause = partial(time.sleep, 5)

        def closure(now=None):
            clock = time.monotonic
            return lambda: clock()

        read = closure()
        listed = [time.monotonic]
        """
    )
    result = run(
        """
        import product

        def test_it(fast_time):
            readers = [product.monotonic, product.cache.timer, product.Cache.clock, product.read, product.listed[0], product.Cache().timer]
            before = [read() for read in readers]
            product.pause()
            assert [read() - earlier >= 5 for read, earlier in zip(readers, before)] == [True] * 6
        """
    )
    result.assert_outcomes(passed=1)


def test_fixture_of_the_suites_own(run):
    """One by the same name is the suite's affair, also where it builds on ours."""
    result = run(
        """
        import time, pytest

        class TestOwn:
            @pytest.fixture
            def fast_time(self):
                return "own"

            def test_it(self, fast_time):
                before = time.clock_gettime(time.CLOCK_MONOTONIC)
                time.sleep(0.2)
                assert fast_time == "own" and time.clock_gettime(time.CLOCK_MONOTONIC) - before >= 0.2

        class TestBuilt:
            @pytest.fixture
            def fast_time(self, fast_time):
                return fast_time.stats

            def test_it(self, fast_time):
                time.sleep(3600)
                assert fast_time.virtual_seconds >= 3599
        """
    )
    result.assert_outcomes(passed=2)
    assert_saved(result, 3600, tests=1)


def test_repeated_by_another_plugin(run, pytester):
    """Plugins for flaky tests finish one several times within one protocol."""
    pytester.makeconftest(
        """
        import pytest
        from _pytest.runner import runtestprotocol

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
                runtestprotocol(item, nextitem=nextitem)
                item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        """
    )
    run(SLEEPER, "--fast-time").assert_outcomes(passed=2)


def test_asked_for_while_it_runs(run):
    """By request.getfixturevalue, in a run in which no other test asks: nothing was registered before."""
    result = run(
        """
        import time

        def test_asks(request):
            time.sleep(0.01)
            fast_time = request.getfixturevalue("fast_time")
            time.sleep(3600)
            assert fast_time.stats.virtual_seconds >= 3599

        def test_next():
            from testdiet.clock import clock
            assert not clock.enabled
        """
    )
    result.assert_outcomes(passed=2)
    assert_saved(result, 3600, tests=1)


def test_mocked_before_it_is_installed(run):
    """The first test that asks runs under a mock of a fixture of its module, which stays what `time.sleep` is."""
    result = run(
        """
        import time
        from unittest import mock
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def sleep():
            with mock.patch("time.sleep") as sleep, mock.patch("time.monotonic", return_value=5.0):
                yield sleep

        def test_first():
            time.sleep(60)

        def test_asks(fast_time, sleep):
            assert time.sleep is sleep and time.monotonic() == 5.0
            time.sleep(70)
            assert [call.args for call in sleep.call_args_list] == [(60,), (70,)]
        """
    )
    result.assert_outcomes(passed=2)


def test_hooks_only_where_asked_for(run):
    """Nothing of the plugin is called for a test that does not want it; each hook costs microseconds for each test."""
    source = """
        def test_it(request%s):
            manager = request.config.pluginmanager
            ours = {impl.plugin_name for hook in vars(manager.hook).values() if getattr(hook, "name", "").startswith(("pytest_runtest", "pytest_fixture"))
                    for impl in hook.get_hookimpls() if (getattr(impl.plugin, "__name__", None) or type(impl.plugin).__module__).startswith("testdiet")}
            assert ours == %s
    """
    run(source % ("", "set()")).assert_outcomes(passed=1)
    run(source % (", fast_time", '{"testdiet.plugin-running", "testdiet.plugin-told"}')).assert_outcomes(passed=1)
    run(source % ("", '{"testdiet.plugin-leakcheck"}'), "-o", "fail_on_leaked_threads=true").assert_outcomes(passed=1)


def test_under_xdist(run):
    pytest.importorskip("xdist")
    result = run(SLEEPER + "\n\n    def test_two():\n        time.sleep(60)\n", "--fast-time", "-p", "xdist.plugin", "-n", "2")
    result.assert_outcomes(passed=2)
    assert_saved(result, 3660, tests=2)


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_under_pytest_timeout(run, method):
    pytest.importorskip("pytest_timeout")
    run(SLEEPER, "--fast-time", "-p", "pytest_timeout", "--timeout", "60", "--timeout-method", method).assert_outcomes(passed=1)


def test_real_fork_and_pickle(run):
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    result = run(
        """
        import os, pickle, time

        def test_it(fast_time):
            assert pickle.loads(pickle.dumps(time.sleep)) is time.sleep
            pid = os.fork()
            if pid == 0:
                before = time.clock_gettime(time.CLOCK_MONOTONIC)
                time.sleep(0.1)
                os._exit(0 if time.clock_gettime(time.CLOCK_MONOTONIC) - before >= 0.1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
        """
    )
    result.assert_outcomes(passed=1)


def test_leaked_thread_fails_the_test(run, pytester):
    pytester.makeini("[pytest]\nfail_on_leaked_threads = true\n")
    result = run(
        """
        import threading, time

        def test_leaks():
            threading.Thread(target=time.sleep, args=(30,), daemon=True, name="left-behind").start()

        def test_ends():
            threading.Thread(target=time.sleep, args=(0.1,)).start()
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*left-behind*"])


def test_with_cleanup(run):
    result = run(
        """
        import threading

        log = []

        class Monitor(threading.Thread):
            def __init__(self):
                super().__init__()
                self.quit = threading.Event()

            def run(self):
                self.quit.wait()

            def stop(self):
                self.quit.set()
                log.append("stopped")

        def test_starts(with_cleanup):
            with_cleanup(Monitor()).start()
            assert not log

        def test_after():
            assert log == ["stopped"] and threading.active_count() == 1

        def test_nothing_to_call(with_cleanup):
            with_cleanup(object())
        """
    )
    result.assert_outcomes(passed=2, failed=1)


def test_wait_until(run, monkeypatch):
    source = """
        import threading, pytest
        from testdiet import wait_until

        def test_waits(fast_time):
            box = []
            threading.Timer(2, box.append, [1]).start()
            assert wait_until(lambda: box[0], timeout=5) == 1

        def test_gives_up(fast_time):
            with pytest.raises(AssertionError, match="not true within 3 s"):
                wait_until(lambda: False, timeout=3)

        def test_true_at_the_start():
            wait_until(lambda: True)
    """
    run(source).assert_outcomes(passed=3)
    monkeypatch.setenv("TESTDIET_VERIFY", "1")
    result = run(source)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*was true before anything was waited for*"])


def test_vendored(pytester):
    """One file, in a suite whose interpreter finds no testdiet; and no time-machine, so that the wall clock is the file's own."""
    Path("time_machine.py").write_text("raise ImportError", encoding="utf-8")
    text = subprocess.run([sys.executable, "-m", "testdiet.vendor"], check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8").stdout
    assert not re.search(r"^\s*(from|import) testdiet", text, re.MULTILINE)
    Path("fast_time_plugin.py").write_text(text, encoding="utf-8")
    battery = (Path(__file__).parent / "test_battery.py").read_text(encoding="utf-8")
    Path("test_vendored.py").write_text(battery, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "fast_time_plugin"]
    ended = subprocess.run(command, env={**env, "PYTHONPATH": os.getcwd()}, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stdout
    assert "fast_time: " in ended.stdout
