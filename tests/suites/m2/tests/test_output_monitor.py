"""The monitor notices that the session has gone quiet."""

import threading
import time
import unittest

import pytest

from helpers import SETTLE, TIMEOUT, Writer, run_all, settle, wait_past
from m2 import OutputMonitor

FIRST_HALF = 1.0
SECOND_HALF = SETTLE - FIRST_HALF
NUM_WRITERS = 5
LINES_EACH = 10


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_timeout_must_be_positive(timeout):
    with pytest.raises(ValueError):
        OutputMonitor(timeout=timeout)


def test_cannot_be_started_twice(monitor):
    with pytest.raises(RuntimeError):
        monitor.start()


def test_tail_keeps_the_order():
    monitor = OutputMonitor()
    monitor.feed("one\ntwo\nthree")
    assert ", ".join(monitor.tail(2)) == "two, three"


# --- one silence ---------------------------------------------------------------------------


def test_fires_after_silence():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    time.sleep(2.5)
    assert monitor.silence_count == 1
    assert monitor.is_silent
    monitor.stop()


def test_event_says_what_was_seen():
    seen = []
    monitor = OutputMonitor(timeout=2.0, on_silence=seen.append)
    monitor.start()
    monitor.feed("compiling\nlinking\n")
    time.sleep(2.5)
    assert len(seen) == 1
    assert seen[0].lines_seen == 2
    assert seen[0].last_line == "linking"


def test_quiet_for_is_at_least_the_timeout():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    monitor.feed("last words")
    time.sleep(2.5)
    assert monitor.events[0].quiet_for >= 2.0


def test_fires_once_per_silence():
    calls = []
    monitor = OutputMonitor(timeout=2.0, on_silence=lambda event: calls.append(event))
    monitor.start()
    time.sleep(2.5)
    assert len(calls) == 1
    assert len(monitor.events) == 1


def test_does_not_fire_early():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    time.sleep(1.0)
    assert monitor.silence_count == 0
    time.sleep(1.5)
    assert monitor.silence_count == 1


def test_output_restarts_the_clock():
    monitor = OutputMonitor(timeout=TIMEOUT)
    monitor.start()
    time.sleep(1.5)
    monitor.feed("still here\n")
    time.sleep(1.0)
    assert monitor.silence_count == 0, "fired although there was output"
    assert not monitor.is_silent
    assert monitor.is_running


def test_default_timeout():
    monitor = OutputMonitor()
    monitor.start()
    time.sleep(2.5)
    assert monitor.is_silent


def test_empty_output_is_no_output():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    time.sleep(FIRST_HALF)
    monitor.feed("")
    assert not monitor.is_silent
    time.sleep(SECOND_HALF)
    assert monitor.is_silent
    assert monitor.lines_seen == 0


def test_fires_no_sooner_than_promised():
    fired_at = []
    monitor = OutputMonitor(timeout=2.0, on_silence=lambda _: fired_at.append(time.monotonic()))
    started = time.monotonic()
    monitor.start()
    time.sleep(2.5)
    assert fired_at[0] - started >= 2.0


def test_bad_listener_does_not_stop_the_monitor():
    def broken(event):
        raise RuntimeError("listener failed")

    monitor = OutputMonitor(timeout=2.0, on_silence=broken)
    monitor.start()
    time.sleep(2.5)
    assert [str(error) for error in monitor.callback_errors] == ["listener failed"]
    assert monitor.is_running


@pytest.mark.parametrize(
    "text, last_line",
    [
        ("plain", "plain"),
        ("first\nsecond", "second"),
        ("grüße\r\n", "grüße"),
    ],
)
def test_last_line(text, last_line):
    monitor = OutputMonitor(timeout=TIMEOUT)
    monitor.start()
    monitor.feed(text)
    time.sleep(SETTLE)
    try:
        assert [event.last_line for event in monitor.events] == [last_line]
    finally:
        monitor.stop()


def test_paused_monitor_stays_quiet():
    paused = OutputMonitor(timeout=2.0).start()
    running = OutputMonitor(timeout=2.0).start()
    paused.pause()
    time.sleep(2.5)
    assert running.is_silent
    assert not paused.is_silent
    for monitor in (paused, running):
        monitor.stop()


def test_stopped_monitor_never_fires():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    monitor.stop()
    settle()
    assert monitor.silence_count == 0
    assert not monitor.is_running


def test_wait_for_silence_returns_once_silent():
    told = threading.Event()
    with OutputMonitor(timeout=2.0, on_silence=lambda _: told.set()) as monitor:
        monitor.feed("working on it")
        assert not monitor.wait_for_silence(timeout=0)
        time.sleep(2.5)
        assert told.wait(timeout=5)
        assert monitor.wait_for_silence(timeout=5)
        monitor.feed("awake again")
        assert not monitor.is_silent


def test_resume_counts_from_now(monitor):
    monitor.pause()
    time.sleep(0)
    monitor.resume()
    wait_past(monitor.timeout)
    assert monitor.silence_count == 1
    assert monitor.events[0].quiet_for >= monitor.timeout


# --- writers -------------------------------------------------------------------------------


def test_concurrent_writers():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()

    def write():
        for number in range(10):
            monitor.feed(f"line {number}\n")

    threads = []
    for _ in range(5):
        thread = threading.Thread(target=write)
        threads.append(thread)
        thread.start()
    for thread in threads:
        thread.join()

    time.sleep(2.5)
    assert monitor.lines_seen == 50
    assert monitor.events[0].lines_seen == 50


def test_ten_writers():
    with OutputMonitor(timeout=2.0) as monitor:
        threads = [threading.Thread(target=monitor.feed, args=(f"writer {i}",)) for i in range(10)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        time.sleep(2.5)
        assert monitor.lines_seen == 10
        assert monitor.silence_count == 1


def test_steady_writer_keeps_the_monitor_awake():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()

    def write_steadily():
        for _ in range(5):
            monitor.feed("tick\n")
            time.sleep(0.5)

    writer = threading.Thread(target=write_steadily)
    writer.start()
    writer.join()
    assert monitor.silence_count == 0
    assert monitor.lines_seen == 5


def test_sources_are_counted_apart():
    monitor = OutputMonitor(timeout=TIMEOUT)
    monitor.start()
    threads = {name: threading.Thread(target=monitor.feed, args=("a\nb\nc\n", name)) for name in ("stdout", "stderr")}
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join()
    time.sleep(SETTLE)
    assert monitor.lines_by_source == {"stdout": 3, "stderr": 3}
    assert monitor.events[0].lines_seen == 6


def test_writer_threads():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    writers = [Writer(monitor, f"writer-{i}", lines=LINES_EACH) for i in range(NUM_WRITERS)]
    run_all(writers)
    time.sleep(2.5)
    assert sum(writer.written for writer in writers) == NUM_WRITERS * LINES_EACH
    assert monitor.events[0].lines_seen == NUM_WRITERS * LINES_EACH


def test_feeding_while_reading_raises_nothing():
    errors = []
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()

    def feed_and_read():
        try:
            for number in range(LINES_EACH):
                monitor.feed(f"{number}\n")
                assert monitor.tail(1)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=feed_and_read) for _ in range(NUM_WRITERS)]
    for t in threads: t.start()
    for t in threads: t.join()
    wait_past(2.0)
    assert not errors
    assert monitor.lines_seen == NUM_WRITERS * LINES_EACH
    assert monitor.is_silent


def test_everyone_who_waits_is_woken():
    woken = []
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    waiters = [threading.Thread(target=lambda: woken.append(monitor.wait_for_silence(timeout=30))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    assert woken == []
    time.sleep(2.5)
    for waiter in waiters:
        waiter.join()
    assert woken == [True] * 3


# --- listeners -----------------------------------------------------------------------------


class TestListeners:
    def setup_method(self):
        self.calls = []
        self.monitor = OutputMonitor(timeout=TIMEOUT)
        self.monitor.start()

    def teardown_method(self):
        self.monitor.stop()

    def test_all_are_called(self):
        for name in ("first", "second", "third"):
            self.monitor.add_listener(lambda event, name=name: self.calls.append(name))
        time.sleep(SETTLE)
        assert self.calls == ["first", "second", "third"]

    def test_removed_one_is_not_called(self):
        self.monitor.add_listener(self.calls.append)
        self.monitor.remove_listener(self.calls.append)
        self.monitor.add_listener(lambda event: self.calls.append("kept"))
        settle()
        assert self.calls == ["kept"]

    def test_added_from_threads(self):
        self.threads = []
        for number in range(4):
            self.threads.append(
                threading.Thread(target=self.monitor.add_listener, args=(lambda _, n=number: self.calls.append(n),))
            )
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        time.sleep(SETTLE)
        assert len(self.calls) == 4

    def test_runs_on_the_thread_of_the_monitor(self):
        self.monitor.add_listener(lambda _: self.calls.append(threading.current_thread().name))
        other = threading.Thread(target=self.monitor.feed, args=("from elsewhere",), name="elsewhere")
        other.start()
        other.join()
        time.sleep(SETTLE)
        assert self.calls == ["output-monitor"]


class OutputMonitorCase(unittest.TestCase):
    def setUp(self):
        self.monitor = OutputMonitor(timeout=2.0)
        self.monitor.start()

    def test_silence_ends_with_output(self):
        time.sleep(2.5)
        self.assertTrue(self.monitor.is_silent)
        self.monitor.feed("back")
        self.assertFalse(self.monitor.is_silent)
        self.assertEqual(self.monitor.silence_count, 1)

    def test_writers_kept_on_the_case(self):
        self.writers = [Writer(self.monitor, f"w{i}", lines=2) for i in range(5)]
        for writer in self.writers:
            writer.start()
        for writer in self.writers:
            writer.join()
        time.sleep(2.5)
        self.assertEqual(len(self.monitor.lines_by_source), 5)
        self.assertEqual(self.monitor.events[0].lines_seen, 10)
