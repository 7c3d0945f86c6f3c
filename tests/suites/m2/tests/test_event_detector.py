"""The detector recognises what lines of output mean."""

import threading
import time as t
from collections import Counter

import pytest

from m2 import DetectedEvent, EventDetector

COOLDOWN = 1.0


@pytest.mark.parametrize(
    "line, name",
    [
        ("ERROR: disk full", "error"),
        ("Traceback (most recent call last):", "error"),
        ("Shall I go on?", "question"),
        ("All tasks completed", "done"),
        ("=== 12 passed, 1 failed in 3.1s ===", "tests"),
    ],
)
def test_default_patterns(detector, line, name):
    assert [event.name for event in detector.feed(line)] == [name]


def test_ordinary_output_is_no_event(detector):
    assert detector.feed_all(["compiling", "linking", ""]) == []
    assert not detector.counts


def test_details(detector):
    (event,) = detector.feed("12 passed, 3 failed")
    assert event == DetectedEvent("tests", "12 passed, 3 failed", {"passed": "12", "failed": "3"})


def test_own_patterns_replace_the_default_ones():
    detector = EventDetector({"prompt": r"^\$ "})
    assert detector.feed("ERROR: ignored") == []
    assert len(detector.feed("$ ls")) == 1


def test_subscribe_to_one_event(detector):
    heard = []
    detector.subscribe(heard.append, "error")
    detector.feed_all(["ERROR: one", "Really?", "ERROR: two"])
    assert ", ".join(event.details["detail"] for event in heard) == "one, two"


def test_subscribe_to_an_unknown_event(detector):
    with pytest.raises(KeyError):
        detector.subscribe(print, "no such event")


def test_cooldown():
    detector = EventDetector(cooldown=COOLDOWN)
    assert len(detector.feed("ERROR: first")) == 1
    assert detector.feed("ERROR: too soon") == []
    t.sleep(COOLDOWN + 0.2)
    assert len(detector.feed("ERROR: later")) == 1
    assert detector.counts["error"] == 2


def test_concurrent_feeding(detector):
    def feed():
        for number in range(10):
            detector.feed(f"ERROR: {number}")
            t.sleep(0.01)

    threads = [threading.Thread(target=feed) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert detector.counts["error"] == 50
    assert len(detector.events) == 50


def test_concurrent_listeners(detector):
    heard, errors = [], []
    lock = threading.Lock()

    def listen(event):
        with lock:
            heard.append(event.line)

    def feed(worker):
        try:
            for number in range(10):
                detector.feed(f"ERROR: {worker}/{number}")
        except Exception as error:
            errors.append(error)

    detector.subscribe(listen)
    workers = [threading.Thread(target=feed, args=(i,)) for i in range(5)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert not errors
    assert len(heard) == 50
    assert len(set(heard)) == 50


class TestCooldownAcrossThreads:
    THREADS = 5

    def setup_method(self):
        self.detector = EventDetector(cooldown=30)
        self.found = Counter()
        self.lock = threading.Lock()

    def feed(self):
        for event in self.detector.feed("ERROR: everyone sees this"):
            with self.lock:
                self.found[event.name] += 1

    def test_only_one_thread_reports(self):
        self.threads = [threading.Thread(target=self.feed) for _ in range(self.THREADS)]
        for thread in self.threads: thread.start()
        for thread in self.threads: thread.join()
        assert self.found == {"error": 1}

    def test_clear_ends_the_cooldown(self):
        self.feed()
        self.detector.clear()
        self.feed()
        assert self.found["error"] == 2
