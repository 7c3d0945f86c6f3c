"""Threads wake in the order of their deadlines, also where the interpreter or the CPUs are kept from them for longer than lies between
those. The real clock gives no such order, so these are for the virtual one alone.
"""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref

import pytest

from testdiet import turns

pytestmark = pytest.mark.usefixtures("fast_time")


@pytest.fixture
def hogged():
    """From half a second of virtual time on, a thread runs for a second, and lets others run ten times only."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.1)

    def hog():
        time.sleep(0.5)
        end = time.perf_counter() + 1
        while time.perf_counter() < end:
            pass

    yield started(hog)
    sys.setswitchinterval(before)


def started(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.start()
    return thread


def test_each_thread_has_its_turn(hogged):
    order = []

    def work(number):
        time.sleep(0.55 + 0.1 * number)
        order.append(number)

    threads = [started(work, number) for number in reversed(range(4))]
    for thread in [hogged, *threads]:
        thread.join()
    assert order == [0, 1, 2, 3]


def test_whom_a_thread_wakes_takes_part_in_its_turn(hogged):
    order, first, second = [], threading.Event(), threading.Event()

    def relay(await_, action):
        await_()
        action()

    threads = [
        started(relay, lambda: time.sleep(0.6), first.set),
        started(relay, first.wait, second.set),
        started(relay, second.wait, lambda: order.append("relayed")),
    ]
    time.sleep(0.75)
    order.append("test")
    for thread in [hogged, *threads]:
        thread.join()
    assert order == ["relayed", "test"]


def test_who_waits_for_the_interpreter_has_not_had_its_turn(hogged):
    from testdiet.real import Real

    order = []

    def work():
        time.sleep(0.6)
        for _ in range(8):
            # Lets others run, as reading a file may, and waits until they let it run again.
            Real.sleep(0.001)
        order.append("work")

    thread = started(work)
    time.sleep(0.75)
    order.append("test")
    for one in [hogged, thread]:
        one.join()
    assert order == ["work", "test"]


@pytest.fixture
def for_ever(monkeypatch):
    """A thread that never had its turn would hold up the others for ever."""
    from testdiet import turns

    monkeypatch.setattr(turns, "PUT_OFF", 10**18)


def test_a_thread_that_keeps_running_holds_nobody_up(for_ever):
    stop, rounds = [], []

    def work():
        while not stop:
            rounds.append(1)

    thread = started(work)
    time.sleep(0.2)
    stop.append(1)
    thread.join()
    assert rounds


def test_threads_that_wake_each_other_hold_nobody_up(for_ever):
    stop = threading.Event()
    ping, pong = threading.Semaphore(1), threading.Semaphore(0)

    def work(mine, other):
        while not stop.is_set():
            mine.acquire()
            other.release()

    threads = [started(work, ping, pong), started(work, pong, ping)]
    time.sleep(0.3)
    stop.set()
    ping.release()
    pong.release()
    for thread in threads:
        thread.join()


def test_signalled_when_its_patience_is_over(fast_time):
    """A waiting thread looks by itself just when another one signals it; then it is signalled once more."""
    from testdiet.clock import Wait, clock

    wait = Wait(clock.current())
    wait.signal()
    clock._look(wait)
    wait.signal()
    assert wait.lock.acquire(False)


@pytest.fixture
def earlier(fast_time):
    """A thread waits meanwhile, for less long than the others say they would."""
    over = threading.Event()
    thread = started(over.wait, 30)
    yield
    over.set()
    thread.join()


class Holder(threading.Thread):
    def __init__(self, held, event):
        super().__init__()
        self.held, self.event = held, event

    def run(self):
        self.event.wait(60)


def test_a_wait_that_has_ended_keeps_nothing_alive(earlier):
    """Its deadline is far away yet; as on the real clock, what the thread had is freed once nobody has the thread."""
    held, event = {1}, threading.Event()
    freed = weakref.ref(thread := Holder(held, event))
    thread.start()
    time.sleep(0.1)
    event.set()
    thread.join()
    del thread
    gc.collect()
    assert freed() is None


def test_deadlines_that_are_not_met_do_not_pile_up(earlier):
    from testdiet.clock import clock

    event = threading.Event()
    for _ in range(300):
        threading.Timer(0.01, event.set).start()
        assert event.wait(3600)
        event.clear()
    assert len(clock._deadlines) < 200


def test_who_waits_elsewhere_is_not_asked_after_at_each_wait(monkeypatch):
    """Each question is put to the operating system: with a few dozen such threads, transfers took ten times as long."""
    asked = []

    def scheduled(native_id, really=turns.scheduled):
        asked.append(native_id)
        return really(native_id)

    monkeypatch.setattr(turns, "scheduled", scheduled)
    read, write = os.pipe()
    threads = [started(os.read, read, 1) for _ in range(20)]
    never, waits = threading.Event(), 400
    for _ in range(waits):
        assert not never.wait(0.001)
    os.write(write, b"x" * len(threads))
    for thread in threads:
        thread.join()
    os.close(read)
    os.close(write)
    assert len(asked) < waits


@pytest.fixture
def cpus():
    """The CPUs that the test may run on: several."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("threads cannot be told here where to run")
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("there is one CPU")
    yield before
    os.sched_setaffinity(0, before)


def test_who_waits_is_on_one_cpu_and_may_run_everywhere_when_it_goes_on(cpus):
    """There it is woken in half the time."""
    seen = []

    def work():
        for _ in range(2):
            time.sleep(1)
            seen.append(os.sched_getaffinity(0))

    time.sleep(1)
    worker = started(work)
    time.sleep(1.5)
    waiting = os.sched_getaffinity(worker.native_id)
    worker.join()
    seen.append(os.sched_getaffinity(0))
    assert len(waiting) == 1
    assert seen == [cpus] * 3
    count = "import os; print(len(os.sched_getaffinity(0)))"
    assert int(subprocess.run([sys.executable, "-c", count], capture_output=True, check=True).stdout) == len(cpus)


def test_where_a_thread_is_told_to_run_it_stays(cpus):
    first, last = min(cpus), max(cpus)
    for cpu in first, last:
        os.sched_setaffinity(0, {cpu})
        time.sleep(1)
        time.sleep(1)
        assert os.sched_getaffinity(0) == {cpu}
    os.sched_setaffinity(0, cpus)
    time.sleep(1)
    waiting, here = [], threading.get_native_id()

    def tell():
        time.sleep(1)
        waiting.extend(os.sched_getaffinity(here))
        os.sched_setaffinity(here, cpus - set(waiting))

    thread = started(tell)
    time.sleep(2)
    thread.join()
    assert os.sched_getaffinity(0) == cpus - set(waiting)
