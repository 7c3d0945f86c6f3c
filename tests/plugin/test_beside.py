"""The clock beside other plugins and libraries that have to do with time, threads or running tests."""

import json
import os
import sys
from pathlib import Path

import pytest
from summary import assert_saved


@pytest.fixture
def wants():
    """Skips where a package is not there."""
    return lambda *names: [pytest.importorskip(name) for name in names]


# ---- pytest-asyncio, anyio, unittest


def test_pytest_asyncio(run, wants):
    wants("pytest_asyncio")
    result = run(
        """
        import asyncio, time
        import pytest, pytest_asyncio

        @pytest_asyncio.fixture
        async def ticking():
            ticks = []

            async def tick():
                while True:
                    await asyncio.sleep(10)
                    ticks.append(1)

            task = asyncio.ensure_future(tick())
            yield ticks
            task.cancel()

        @pytest.mark.asyncio
        async def test_task_of_a_fixture(ticking):
            await asyncio.sleep(105)
            assert len(ticking) == 10

        @pytest.mark.asyncio
        async def test_timeout():
            before = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.sleep(3600), 60)
            assert 60 <= time.monotonic() - before < 3600

        @pytest.mark.asyncio
        async def test_executor():
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(None, time.sleep, 60)
            await asyncio.sleep(30)
            assert not job.done()
            await asyncio.wait_for(job, 40)
        """,
        "--fast-time",
        "-p",
        "pytest_asyncio.plugin",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    result.assert_outcomes(passed=3)
    assert_saved(result, 225, tests=3)


def test_anyio(run, wants):
    wants("anyio")
    result = run(
        """
        import time
        import anyio, pytest

        pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fast_time")]

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.fixture
        async def slow_to_come():
            await anyio.sleep(100)
            yield 7

        async def test_fixture_and_deadline(slow_to_come):
            with pytest.raises(TimeoutError):
                with anyio.fail_after(60):
                    await anyio.sleep(3600)
            assert slow_to_come == 7

        async def test_thread():
            before = anyio.current_time()
            await anyio.to_thread.run_sync(time.sleep, 60)
            assert anyio.current_time() - before >= 60

        async def test_task_group():
            order = []

            async def one(seconds):
                await anyio.sleep(seconds)
                order.append(seconds)

            async with anyio.create_task_group() as group:
                for seconds in (30, 10, 20):
                    group.start_soon(one, seconds)
            assert order == [10, 20, 30]
        """,
        "-p",
        "anyio.pytest_plugin",
    )
    result.assert_outcomes(passed=3)
    assert_saved(result, 250, tests=3)


def test_unittest(run):
    result = run(
        """
        import asyncio, threading, time, unittest

        class Threads(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.beats, cls.stop = [], threading.Event()
                cls.thread = threading.Thread(target=cls.beat)
                cls.thread.start()

            @classmethod
            def beat(cls):
                while not cls.stop.wait(10):
                    cls.beats.append(1)

            @classmethod
            def tearDownClass(cls):
                cls.stop.set()
                cls.thread.join()

            def test_beats(self):
                seen = len(self.beats)
                time.sleep(105)
                self.assertIn(len(self.beats) - seen, (10, 11))

            def test_subtests(self):
                for seconds in (100, 200):
                    with self.subTest(seconds):
                        before = time.monotonic()
                        time.sleep(seconds)
                        self.assertGreaterEqual(time.monotonic() - before, seconds)

        class Loop(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                await asyncio.sleep(100)

            async def test_timeout(self):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(3600), 100)
        """,
        "--fast-time",
    )
    result.assert_outcomes(passed=3)
    assert_saved(result, 605, tests=3)


# ---- faulthandler, pytest-timeout and pytest-xdist


def test_timeout_of_faulthandler(run):
    """pytest arms it once the test's protocol has begun; its watchdog is a thread of C, and none of the test's."""
    result = run(
        """
        import time

        def test_it():
            time.sleep(600)
        """,
        "--fast-time",
        "-o",
        "faulthandler_timeout=30",
    )
    result.assert_outcomes(passed=1)
    assert_saved(result, 600, tests=1)


COUNTS = """
import time

real, slept = time.sleep, []

def counting(seconds):
    slept.append(seconds)
    return real(seconds)

def pytest_configure():
    time.sleep = counting
"""


@pytest.mark.parametrize("vendored", [False, True])
def test_a_plugin_that_counts_sleeps_counts_those_that_happen(run, pytester, monkeypatch, tmp_path, vendored):
    tmp_path.joinpath("counting_plugin.py").write_text(COUNTS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    if vendored:
        # Imported with the conftest.py, before plugins are configured.
        pytester.makeconftest("from testdiet.install import note_sleep")
    result = run(
        """
        import time
        from time import sleep
        import counting_plugin

        def test_it(fast_time):
            time.sleep(600)
            sleep(600)
            assert counting_plugin.slept == []

        def test_really():
            time.sleep(0.001)
            assert counting_plugin.slept == [0.001]
        """,
        "-p",
        "counting_plugin",
    )
    result.assert_outcomes(passed=2)
    assert_saved(result, 1200, tests=1)


@pytest.mark.parametrize("early", [False, True])
def test_what_a_suite_does_instead_of_sleeping_is_its_affair(run, pytester, early):
    first = "from testdiet.install import note_sleep" if early else ""
    pytester.makeconftest(
        first
        + """
import time

real, now = time.sleep, [0]

def moving(seconds):
    now[0] += seconds

time.sleep = moving
"""
    )
    result = run(
        """
        import time
        from conftest import now

        def test_it(fast_time):
            time.sleep(600)
            assert now == [600]
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout_ends_what_really_hangs(run, wants, method):
    wants("pytest_timeout")
    result = run(
        """
        import time

        def test_sleeps():
            time.sleep(3600)

        def test_hangs():
            real = time.clock_gettime
            end = real(time.CLOCK_MONOTONIC) + 60
            while real(time.CLOCK_MONOTONIC) < end:
                time.sleep(0)
        """,
        "--fast-time",
        "-p",
        "pytest_timeout",
        "--timeout=2",
        f"--timeout-method={method}",
        "-v",
    )
    said = result.stdout.str() + result.stderr.str()
    assert "test_sleeps PASSED" in said and "Timeout" in said and "test_hangs" in said.partition("Timeout")[0]
    assert result.ret != 0


def test_xdist_with_fixtures_and_a_leak_check(run, wants):
    wants("xdist")
    result = run(
        """
        import threading, time
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(number, fast_time):
            done = []
            threading.Timer(60, done.append, [1]).start()
            time.sleep(61)
            assert done

        def test_leaks():
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        """,
        "-p",
        "xdist.plugin",
        "-n2",
        "-o",
        "fail_on_leaked_threads=true",
    )
    result.assert_outcomes(passed=7, errors=1)
    assert_saved(result, 366, tests=6)


# ---- coverage and hypothesis


def test_coverage_of_threads(run, wants, pytester):
    wants("coverage")
    pytester.makepyfile(
        product="""
        import threading, time

        def work(done):
            time.sleep(60)
            done.append(1)

        def never():
            return 1
        """,
        test_it="""
        import threading
        from product import work

        def test_it():
            done = []
            thread = threading.Thread(target=work, args=(done,))
            thread.start()
            thread.join()
            assert done
        """,
    )
    pytest_options = ["-m", "pytest", "-q", "-p", "testdiet.plugin", "-p", "no:cacheprovider", "--fast-time"]
    result = pytester.run(sys.executable, "-m", "coverage", "run", "--include=product.py", *pytest_options)
    assert_saved(result, 60, tests=1)
    assert pytester.run(sys.executable, "-m", "coverage", "json", "-q", "-o", "coverage.json").ret == 0
    lines = json.loads(Path("coverage.json").read_text(encoding="utf-8"))["files"]["product.py"]
    assert lines["executed_lines"] == [1, 3, 4, 5, 7] and lines["missing_lines"] == [8]


def test_hypothesis(run, wants):
    """An example that is too slow in real time is so in virtual time; one that is not, is not."""
    # The deadlines are written out: Hypothesis has none where it sees that it runs in CI.
    wants("hypothesis")
    result = run(
        """
        import threading, time
        from hypothesis import given, settings, strategies

        @settings(deadline=None, max_examples=30, database=None)
        @given(strategies.integers(1, 100))
        def test_sleeps(seconds):
            before, done = time.monotonic(), threading.Event()
            timer = threading.Timer(seconds, done.set)
            timer.start()
            assert not done.wait(seconds - 0.5) and done.wait(1)
            assert time.monotonic() - before >= seconds
            timer.join()

        @settings(deadline=200, max_examples=5, database=None)
        @given(strategies.booleans())
        def test_misses_the_deadline(_):
            time.sleep(0.5)

        @settings(deadline=200, max_examples=5, database=None)
        @given(strategies.booleans())
        def test_keeps_the_deadline(_):
            time.sleep(0.001)
        """,
        "--fast-time",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*DeadlineExceeded*", "*FAILED*test_misses_the_deadline*"])


# ---- freezegun and time-machine


def test_freezegun(run, wants):
    wants("freezegun")
    result = run(
        """
        import time
        from datetime import datetime, timedelta
        from freezegun import freeze_time

        def real():
            return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)

        def test_frozen(fast_time):
            with freeze_time("2001-02-03") as frozen:
                before = real()
                time.sleep(0.1)
                assert real() - before >= 0.1
                assert datetime.now() == datetime(2001, 2, 3)
                frozen.tick(timedelta(hours=1))
                assert datetime.now() == datetime(2001, 2, 3, 1)
            assert any("freezegun" in reason for reason in fast_time.stats.guards)
            before = time.monotonic(), datetime.now()
            time.sleep(3600)
            assert time.monotonic() - before[0] >= 3600 and datetime.now() - before[1] >= timedelta(hours=1)
            assert datetime.now().year > 2020

        @freeze_time("2001-02-03", tick=True)
        def test_decorated(fast_time):
            assert datetime.now().year == 2001
            time.sleep(0.1)

        def test_after(fast_time):
            before = datetime.now()
            time.sleep(3600)
            assert datetime.now() - before >= timedelta(hours=1) and before.year > 2020
        """
    )
    result.assert_outcomes(passed=3)
    assert_saved(result, 7200, tests=3, on_real_time=2)


TRAVELS = """
    import logging, time
    from datetime import datetime, timedelta, timezone
    import pytest

    def test_wall_clock_follows(fast_time, caplog):
        from testdiet import install
        assert type(install.wall).__name__ == "{wall}"
        before = datetime.now(), time.time(), time.localtime()
        time.sleep(86400)
        assert datetime.now() - before[0] >= timedelta(days=1) and time.time() - before[1] >= 86400
        assert time.mktime(time.localtime()) - time.mktime(before[2]) >= 86399
        logging.warning("told at")
        assert abs(caplog.records[0].created - before[1]) < 3600, "a log's times are real"

    def test_right_again(tmp_path):
        path = tmp_path / "x"
        path.touch()
        real = path.stat().st_mtime
        assert abs(time.time() - real) < 60 and abs(datetime.now().timestamp() - real) < 60
"""


def test_freezegun_finds_what_it_freezes(run, wants, pytester):
    """Names that modules took from `time` before the clock was there are frozen all the same, and thawed."""
    wants("freezegun")
    pytester.makepyfile(product="from time import monotonic, perf_counter, sleep, time")
    result = run(
        """
        import pytest, product
        from freezegun import freeze_time

        class TestFrozen:
            @pytest.fixture(scope="class")
            def frozen(self):
                with freeze_time("2001-02-03") as frozen:
                    yield frozen

            def test_before_the_clock_is_there(self, frozen):
                assert product.time() == 981158400

            def test_and_after(self, frozen, fast_time):
                assert product.time() == 981158400
                before = product.monotonic()
                frozen.tick(60)
                assert product.time() == 981158460 and product.monotonic() - before == 60

        def test_frozen_again(fast_time):
            with freeze_time("2001-02-03"):
                assert product.time() == 981158400

        def test_virtual(fast_time):
            before = product.monotonic(), product.perf_counter(), product.time()
            product.sleep(3600)
            after = product.monotonic(), product.perf_counter(), product.time()
            assert [b - a >= 3600 for a, b in zip(before, after)] == [True] * 3
        """
    )
    result.assert_outcomes(passed=4)


def test_wall_clock_of_time_machine(run, wants):
    wants("time_machine")
    machine = sys.modules["time_machine"]
    if hasattr(machine.escape_hatch.time, "monotonic"):
        pytest.skip("time-machine 3 is what the extra asks for")
    run(TRAVELS.format(wall="TimeMachine")).assert_outcomes(passed=2)


def test_wall_clock_without_time_machine(run, pytester):
    pytester.makepyfile(time_machine="raise ImportError")
    run(TRAVELS.format(wall="WallFunctions")).assert_outcomes(passed=2)


def test_travel_of_the_users_own(run, wants):
    wants("time_machine")
    result = run(
        """
        import time
        from datetime import datetime, timedelta, timezone
        import pytest, time_machine

        FAR = datetime(2001, 2, 3, tzinfo=timezone.utc)

        def test_travels(fast_time):
            time.sleep(60)
            with time_machine.travel(FAR, tick=False) as traveller:
                time.sleep(0.1)
                assert datetime.now(timezone.utc) == FAR
                traveller.shift(3600)
                assert datetime.now(timezone.utc) == FAR + timedelta(hours=1)
            assert any("time-machine" in reason for reason in fast_time.stats.guards)
            before = datetime.now()
            time.sleep(60)
            assert datetime.now() - before >= timedelta(seconds=60) and before.year > 2020

        @time_machine.travel(FAR)
        def test_decorated(fast_time):
            assert datetime.now().year == 2001
            time.sleep(0.1)

        def test_after(fast_time):
            before = time.time()
            time.sleep(3600)
            assert time.time() - before >= 3600 and before > 1.6e9
        """
    )
    result.assert_outcomes(passed=3)
    assert_saved(result, 3720, tests=3, on_real_time=2)
