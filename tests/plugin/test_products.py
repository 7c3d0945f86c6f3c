"""Threads and timeouts as product code and its tests have them, where a virtual clock is easily wrong.

Each has the same verdict on the real clock: `REAL=1 pytest tests/plugin/test_products.py`. No upper bound on time is asserted but
what a virtual clock makes certain, with a margin that the real one keeps too.
"""

import _thread
import asyncio
import concurrent.futures as futures
import contextvars
import gc
import http.server
import multiprocessing
import os
import queue
import sched
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import weakref
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import partial
from unittest import mock

import pytest

pytestmark = [] if os.environ.get("REAL") else pytest.mark.usefixtures("fast_time")

unix = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")


def started(target, *arguments, **options):
    thread = threading.Thread(target=target, args=arguments, **options)
    thread.start()
    return thread


def after(seconds, action, *arguments):
    """Does something in a thread, later."""
    return started(lambda: (time.sleep(seconds), action(*arguments)))


# ---- threads that poll


def test_polling_worker_sees_what_comes():
    stop, seen, box = threading.Event(), [], []

    def poll():
        while not stop.wait(0.05):
            if box:
                seen.append(box.pop())

    thread = started(poll)
    for number in range(4):
        time.sleep(0.25)
        box.append(number)
    time.sleep(0.25)
    stop.set()
    thread.join(5)
    assert seen == [0, 1, 2, 3]


def test_two_pollers_of_different_rhythm():
    stop, counts = threading.Event(), {0.1: 0, 0.4: 0}

    def poll(every):
        while not stop.wait(every):
            counts[every] += 1

    threads = [started(poll, every) for every in counts]
    time.sleep(2.2)
    stop.set()
    for thread in threads:
        thread.join(5)
    assert counts[0.4] == 5 and 10 <= counts[0.1] <= 22


def test_watchdog_notices_a_stuck_worker():
    beat, stuck, alarms = [time.monotonic()], threading.Event(), []

    def work():
        for _ in range(5):
            time.sleep(0.2)
            beat[0] = time.monotonic()
        stuck.wait(10)

    def watch():
        while not alarms:
            time.sleep(0.1)
            if time.monotonic() - beat[0] > 0.8:
                alarms.append(time.monotonic() - beat[0])

    worker, watcher = started(work), started(watch)
    time.sleep(1.4)
    assert not alarms
    watcher.join(5)
    stuck.set()
    worker.join(5)
    assert alarms and alarms[0] > 0.8


def test_delayed_jobs_of_a_condition():
    """A scheduler's thread that waits until the next job is due, and is told when an earlier one comes."""
    condition, jobs, done = threading.Condition(), [], []

    def run():
        while True:
            with condition:
                while not jobs or jobs[0][0] > time.monotonic():
                    condition.wait(jobs[0][0] - time.monotonic() if jobs else None)
                name = jobs.pop(0)[1]
            if name is None:
                return
            done.append(name)

    def add(delay, name):
        with condition:
            jobs.append((time.monotonic() + delay, name))
            jobs.sort(key=lambda job: job[0])
            condition.notify()

    thread = started(run)
    add(1.5, "late")
    time.sleep(0.2)
    add(0.4, "early")
    add(2, None)
    time.sleep(0.8)
    assert done == ["early"]
    thread.join(5)
    assert done == ["early", "late"]


# ---- timeouts in timeouts


def test_join_outlasts_two_waits():
    event = threading.Event()
    thread = started(lambda: (event.wait(0.5), event.wait(0.5)))
    thread.join(0.75)
    assert thread.is_alive()
    thread.join(3)
    assert not thread.is_alive()


def test_join_of_a_blocked_thread():
    release = threading.Event()
    thread = started(release.wait)
    before = time.perf_counter()
    thread.join(timeout=1)
    assert thread.is_alive() and time.perf_counter() - before >= 1
    release.set()
    thread.join(5)
    assert not thread.is_alive()


def test_deadline_over_several_gets():
    items, got, end = queue.Queue(), [], time.monotonic() + 3.5
    thread = started(lambda: [(time.sleep(1), items.put(n)) for n in range(6)])
    while True:
        left = end - time.monotonic()
        try:
            got.append(items.get(timeout=max(0, left)))
        except queue.Empty:
            break
    assert got == [0, 1, 2]
    thread.join(5)


def test_two_consumers_one_item():
    items, got = queue.Queue(), []

    def take():
        try:
            got.append(items.get(timeout=1))
        except queue.Empty:
            got.append(None)

    threads = [started(take), started(take)]
    time.sleep(0.5)
    items.put("x")
    for thread in threads:
        thread.join(5)
    assert got == ["x", None]


def test_waiters_with_their_own_timeouts():
    condition, ended = threading.Condition(), []

    def wait(name, timeout):
        with condition:
            ended.append((name, condition.wait(timeout)))

    threads = [started(wait, name, timeout) for name, timeout in (("short", 0.5), ("long", 3))]
    time.sleep(1)
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join(5)
    assert ended == [("short", False), ("long", True)]


def test_notify_wakes_the_one_that_waited_first():
    condition, woken = threading.Condition(), []

    def wait(name):
        with condition:
            condition.wait(5)
            woken.append(name)

    threads = []
    for name in "abc":
        threads.append(started(wait, name))
        time.sleep(0.1)
    for _ in "abc":
        with condition:
            condition.notify(1)
        time.sleep(0.1)
    for thread in threads:
        thread.join(5)
    assert woken == ["a", "b", "c"]


def test_reentrant_condition_lets_go_of_every_level():
    condition, got = threading.Condition(), []
    thread = after(0.5, lambda: [condition.acquire(), got.append(1), condition.notify(), condition.release()])
    with condition, condition:
        assert condition.wait(3)
        assert got
    thread.join(5)


def test_pulses_of_an_event():
    event, seen = threading.Event(), []

    def watch():
        while len(seen) < 3:
            if event.wait(5):
                seen.append(time.monotonic())
                time.sleep(0.3)

    thread = started(watch)
    for _ in range(3):
        time.sleep(0.5)
        event.set()
        time.sleep(0.1)
        event.clear()
    thread.join(5)
    assert len(seen) == 3 and all(b - a >= 0.3 for a, b in zip(seen, seen[1:]))


# ---- locks, semaphores, barriers


def test_lock_is_fair_enough_to_all():
    lock, order = threading.Lock(), []

    def work(name):
        with lock:
            order.append(name)
            time.sleep(0.3)

    threads = []
    for name in "abcd":
        threads.append(started(work, name))
        time.sleep(0.05)
    for thread in threads:
        thread.join(5)
    assert sorted(order) == list("abcd") and order[0] == "a"


def test_lock_times_out_in_one_thread_only():
    lock, got = threading.Lock(), {}

    def take(name, timeout):
        got[name] = lock.acquire(timeout=timeout)
        if got[name]:
            lock.release()

    with lock:
        threads = [started(take, "short", 0.5), started(take, "long", 3)]
        time.sleep(1)
    for thread in threads:
        thread.join(5)
    assert got == {"short": False, "long": True}


def test_ping_pong():
    ping, pong, log = threading.Semaphore(0), threading.Semaphore(0), []

    def answer():
        for _ in range(5):
            assert ping.acquire(timeout=5)
            time.sleep(0.1)
            log.append("pong")
            pong.release()

    thread = started(answer)
    for _ in range(5):
        log.append("ping")
        ping.release()
        assert pong.acquire(timeout=5)
    thread.join(5)
    assert log == ["ping", "pong"] * 5


def test_barrier_is_aborted():
    barrier, broken = threading.Barrier(3), []

    def meet():
        try:
            barrier.wait(5)
        except threading.BrokenBarrierError:
            broken.append(1)

    threads = [started(meet), started(meet)]
    time.sleep(0.5)
    barrier.abort()
    for thread in threads:
        thread.join(5)
    assert broken == [1, 1]


# ---- timers


def test_timer_that_starts_itself_again():
    fired, stop = [], threading.Event()

    def again():
        fired.append(time.monotonic())
        if not stop.is_set():
            timer = threading.Timer(0.4, again)
            timer.daemon = True
            timer.start()

    threading.Timer(0.4, again).start()
    time.sleep(1.8)
    stop.set()
    assert len(fired) == 4
    time.sleep(1)
    assert len(fired) == 5


def test_debounce():
    class Debounced:
        timer, calls = None, []

        def __call__(self, value):
            if self.timer is not None:
                self.timer.cancel()
            self.timer = threading.Timer(1.5, self.calls.append, [value])
            self.timer.start()

    call = Debounced()
    for number in range(4):
        call(number)
        time.sleep(0.5)
    assert call.calls == []
    time.sleep(2)
    assert call.calls == [3]


def test_interrupt_of_the_main_thread():
    # A shell lets what it starts in the background ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        for _ in range(10):
            time.sleep(0.3)
    timer.join()
    signal.signal(signal.SIGINT, before)


# ---- limits, caches, retries


def test_token_bucket():
    class Bucket:
        def __init__(self, rate, size):
            self.rate, self.size, self.tokens, self.at = rate, size, size, time.monotonic()

        def take(self):
            now = time.monotonic()
            self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate)
            self.at = now
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True

    bucket = Bucket(rate=2, size=2)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    time.sleep(0.6)
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_circuit_opens_again():
    @dataclass
    class Circuit:
        opened: float = field(default_factory=time.monotonic)

        def closed(self):
            return time.monotonic() - self.opened >= 1

    circuit = Circuit()
    time.sleep(0.4)
    assert not circuit.closed()
    time.sleep(0.8)
    assert circuit.closed()


def test_expiry_by_the_wall_clock():
    until = datetime.now(timezone.utc).timestamp() + 1
    assert time.time() < until
    time.sleep(0.4)
    assert datetime.now().timestamp() < until
    time.sleep(0.8)
    assert datetime.now(timezone.utc).timestamp() >= until and time.time() >= until


def test_retry_until_a_deadline():
    tries, end = [], time.monotonic() + 1.25

    def attempt():
        tries.append(time.monotonic())
        raise ConnectionError

    while time.monotonic() < end:
        try:
            attempt()
        except ConnectionError:
            time.sleep(0.5)
    assert len(tries) == 3


def test_elapsed_is_measured_by_every_clock():
    clocks = [time.monotonic, time.perf_counter, time.time, lambda: datetime.now().timestamp(), partial(time.monotonic)]
    before = [clock() for clock in clocks]
    time.sleep(1.5)
    passed = [clock() - earlier for clock, earlier in zip(clocks, before)]
    assert all(1.49 <= one < 30 for one in passed)


def test_schedule_of_a_thread_with_a_cancelled_event():
    done = []
    scheduler = sched.scheduler(time.monotonic, time.sleep)
    scheduler.enterabs(time.monotonic() + 0.5, 1, done.append, ("a",))
    cancelled = scheduler.enter(0.75, 1, done.append, ("cancelled",))
    scheduler.enter(1, 2, done.append, ("later",))
    scheduler.enter(1, 1, done.append, ("sooner",))
    scheduler.cancel(cancelled)
    thread = started(scheduler.run)
    time.sleep(0.25)
    assert done == []
    thread.join(5)
    assert done[0] == "a" and sorted(done[1:]) == ["later", "sooner"]


# ---- pools


def test_wait_for_futures_times_out():
    with futures.ThreadPoolExecutor(2) as pool:
        quick, slow = pool.submit(time.sleep, 0.2), pool.submit(time.sleep, 2)
        done, left = futures.wait([quick, slow], timeout=1)
        assert done == {quick} and left == {slow}


def test_as_completed_times_out():
    with futures.ThreadPoolExecutor(1) as pool:
        with pytest.raises(futures.TimeoutError):
            list(futures.as_completed([pool.submit(time.sleep, 2)], timeout=0.5))


def test_what_is_queued_can_be_cancelled():
    ran = []
    with futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(time.sleep, 1)
        second = pool.submit(ran.append, 1)
        time.sleep(0.3)
        assert second.cancel() and not first.cancel()
    assert not ran


def test_done_callback_comes_when_it_is_done():
    called = threading.Event()
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 1).add_done_callback(lambda _: called.set())
        assert not called.wait(0.5)
        assert called.wait(3)


def test_async_result_times_out():
    from multiprocessing.pool import ThreadPool

    with ThreadPool(1) as pool:
        result = pool.apply_async(time.sleep, (1,))
        with pytest.raises(multiprocessing.TimeoutError):
            result.get(timeout=0.3)
        result.get(timeout=5)


def test_queue_join_waits_for_all_workers():
    items, done = queue.Queue(), []

    def work():
        for item in iter(items.get, None):
            time.sleep(item)
            done.append(item)
            items.task_done()
        items.task_done()

    threads = [started(work, daemon=True) for _ in range(3)]
    for item in (0.9, 0.3, 0.6):
        items.put(item)
    items.join()
    assert done == [0.3, 0.6, 0.9]
    for _ in threads:
        items.put(None)
    items.join()
    for thread in threads:
        thread.join(5)


# ---- what belongs to a thread


def test_thread_locals_stay_apart():
    local, seen = threading.local(), {}

    def work(name):
        local.name = name
        time.sleep(name / 10)
        seen[name] = local.name

    threads = [started(work, name) for name in (3, 1, 2)]
    for thread in threads:
        thread.join(5)
    assert list(seen.items()) == [(1, 1), (2, 2), (3, 3)] and not hasattr(local, "name")


def test_context_of_an_executor():
    variable = contextvars.ContextVar("variable", default=0)

    def work():
        time.sleep(0.2)
        return variable.get()

    async def main():
        variable.set(5)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(None, context.run, work)

    assert asyncio.run(main()) == 5


def test_threads_start_threads():
    order = []

    def outer(depth):
        if depth:
            started(outer, depth - 1).join(5)
        time.sleep(0.2)
        order.append(depth)

    started(outer, 3).join(10)
    assert order == [0, 1, 2, 3]


def test_thread_subclass_with_its_own_start_and_join():
    class Service(threading.Thread):
        def __init__(self):
            super().__init__()
            self.ready, self.quit = threading.Event(), threading.Event()

        def start(self):
            super().start()
            assert self.ready.wait(3)

        def run(self):
            time.sleep(0.5)
            self.ready.set()
            self.quit.wait()

        def join(self, timeout=None):
            self.quit.set()
            super().join(timeout)

    service = Service()
    service.start()
    assert service.is_alive()
    service.join(3)
    assert not service.is_alive()


def test_exception_in_a_thread_comes_late():
    caught = []
    with mock.patch.object(threading, "excepthook", lambda failed: caught.append(failed.exc_type)):
        thread = after(0.5, int, "x")
        thread.join(0.2)
        assert not caught
        thread.join(5)
    assert caught == [ValueError]


def test_finalizer_wakes_a_waiter():
    class Thing:
        pass

    thing, gone = [Thing()], threading.Event()
    weakref.finalize(thing[0], gone.set)
    thread = after(0.5, thing.clear)
    assert not gone.wait(0.2)
    assert gone.wait(3)
    thread.join(5)


def test_cycle_that_puts_when_collected():
    items = queue.SimpleQueue()

    class Node:
        def __init__(self):
            self.me = self

        def __del__(self):
            items.put("gone")

    Node()
    thread = after(0.5, gc.collect)
    assert items.get(timeout=5) == "gone"
    thread.join(5)


def test_del_that_sleeps():
    class Slow:
        def __del__(self):
            time.sleep(0.5)

    before, one = time.monotonic(), Slow()
    del one
    gc.collect()
    assert time.monotonic() - before >= 0.5


# ---- tests that have their own idea of sleeping


def test_sleep_is_replaced_by_monkeypatch(monkeypatch):
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    time.sleep(7)
    thread = started(lambda: time.sleep(8))
    thread.join(5)
    assert naps == [7, 8]
    monkeypatch.undo()
    before = time.monotonic()
    time.sleep(0.5)
    assert time.monotonic() - before >= 0.5


def test_sleep_is_mocked():
    before = time.monotonic()
    with mock.patch("time.sleep") as sleep:
        time.sleep(100)
    sleep.assert_called_once_with(100)
    assert time.monotonic() - before < 50


@mock.patch("time.monotonic", side_effect=[1.0, 2.0])
def test_monotonic_is_mocked(monotonic):
    assert time.monotonic() == 1.0 and time.monotonic() == 2.0


@mock.patch("time.time", return_value=1_000_000_000.5)
def test_time_is_mocked(_):
    """``today`` asks `time.time`, ``now`` does not."""
    assert date.today() == date.fromtimestamp(1_000_000_000)
    assert datetime.today() == datetime.fromtimestamp(1_000_000_000.5)
    assert datetime.now().year > 2001


def forbidden(*arguments, **options):
    raise AssertionError(f"called with {arguments}")


def test_system_is_replaced():
    """As by a file system in memory, or by what forbids an event loop to block. The child's end is waited for all the same."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
    names = "open read close stat lstat fstat listdir scandir readlink".split()
    with mock.patch.multiple(os, **dict.fromkeys(names, forbidden)), mock.patch("builtins.open", forbidden):
        thread = started(time.sleep, 0.2)
        thread.join(10)
        assert not thread.is_alive()
        end = time.monotonic() + 20
        while child.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
    assert child.wait(10) == 0


def test_mock_that_sleeps_really():
    with mock.patch("time.sleep", wraps=time.sleep) as sleep:
        before = time.monotonic()
        time.sleep(0.5)
        assert time.monotonic() - before >= 0.5
    assert sleep.call_count == 1


def test_event_wait_is_mocked(monkeypatch):
    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: "mocked")
    assert threading.Event().wait(100) == "mocked"


@pytest.fixture(scope="module")
def service():
    """A background thread that outlives the tests that use it."""
    beats, stop = [], threading.Event()

    def beat():
        while not stop.wait(0.2):
            beats.append(1)

    thread = started(beat)
    yield beats
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("round", [1, 2])
def test_service_of_the_module_beats(service, round):
    seen = len(service)
    time.sleep(1.1)
    assert 2 <= len(service) - seen <= 6


# ---- asyncio


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is of 3.11")
def test_asyncio_timeouts_in_one_another():
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.sleep(10)
        assert 1 <= loop.time() - before < 5
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5) as outer:
                async with asyncio.timeout(5) as inner:
                    await asyncio.sleep(10)
        assert outer.expired() and not inner.expired()

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup is of 3.11")
def test_asyncio_task_group_cancels_the_rest():
    order = []

    async def one(name, seconds, fails=False):
        try:
            await asyncio.sleep(seconds)
            order.append(name)
            if fails:
                raise ValueError
        except asyncio.CancelledError:
            order.append(f"{name} cancelled")
            raise

    async def main():
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(one("quick", 0.5))
                group.create_task(one("fails", 1, fails=True))
                group.create_task(one("slow", 2))
        except BaseException as group:
            assert [type(error) for error in group.exceptions] == [ValueError]

    asyncio.run(main())
    assert order == ["quick", "fails", "slow cancelled"]


def test_asyncio_executor_that_waits_for_a_queue():
    items = queue.Queue()

    async def main():
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(None, partial(items.get, timeout=3))
        loop.call_later(1, items.put, "x")
        assert await asyncio.wait_for(job, 2) == "x"
        with pytest.raises(queue.Empty):
            await loop.run_in_executor(None, partial(items.get, timeout=0.5))

    asyncio.run(main())


def test_asyncio_timer_cancelled():
    async def main():
        loop, fired = asyncio.get_running_loop(), []
        late = loop.call_later(0.5, fired.append, "late")
        loop.call_later(0.25, late.cancel)
        loop.call_at(loop.time() + 0.75, fired.append, "on time")
        await asyncio.sleep(1)
        assert fired == ["on time"]

    asyncio.run(main())


def test_asyncio_wait_and_shield():
    async def main():
        inner = asyncio.ensure_future(asyncio.sleep(1, "done"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(inner), 0.4)
        assert not inner.cancelled()
        done, left = await asyncio.wait([inner], timeout=0.2)
        assert not done and left == {inner}
        assert await inner == "done"

    asyncio.run(main())


def test_asyncio_queue_between_tasks():
    async def main():
        items, got = asyncio.Queue(), []

        async def produce():
            for number in range(3):
                await asyncio.sleep(0.4)
                await items.put(number)

        task = asyncio.ensure_future(produce())
        while True:
            try:
                got.append(await asyncio.wait_for(items.get(), 0.6))
            except asyncio.TimeoutError:
                break
        await task
        return got

    assert asyncio.run(main()) == [0, 1, 2]


def test_asyncio_waits_for_a_blocking_thread():
    """The loop's own wait ends first: what blocks in the executor is in the middle of a longer one."""

    async def main():
        loop = asyncio.get_running_loop()
        release = threading.Event()
        job = loop.run_in_executor(None, release.wait, 5)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(job), 0.5)
        release.set()
        assert await job is True

    asyncio.run(main())


@unix
def test_asyncio_child():
    async def main():
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(0.2); print('x')", stdout=-1)
        out, _ = await asyncio.wait_for(child.communicate(), 30)
        assert out.strip() == b"x" and child.returncode == 0

    asyncio.run(main())


def test_asyncio_server_on_loopback():
    async def main():
        async def answer(reader, writer):
            await asyncio.sleep(0.1)
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.readline(), 10) == b"hello\n"
            writer.close()

    asyncio.run(main())


# ---- where the clock has to step aside


def test_selector_beats_its_timeout():
    one, other = socket.socketpair()
    with one, other, selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        assert selector.select(0.05) == []
        thread = after(0.1, other.sendall, b"x")
        assert selector.select(10)
        thread.join(5)


@unix
def test_select_on_a_pipe():
    read, write = os.pipe()
    thread = after(0.2, os.write, write, b"x")
    assert select.select([read], [], [], 10)[0] == [read]
    thread.join(5)
    assert select.select([read], [], [], 0)[0] == [read]
    os.close(read)
    os.close(write)


@unix
def test_pipe_read_by_a_thread():
    """A thread blocked in a read is not seen, and must not be overtaken by the deadline of whoever waits for it."""
    read, write = os.pipe()
    got = threading.Event()
    thread = started(lambda: (os.read(read, 1), got.set()))
    writer = after(0.2, os.write, write, b"x")
    assert got.wait(2)
    thread.join(5)
    writer.join(5)
    os.close(read)
    os.close(write)


def test_receiver_is_in_time():
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(10)
        thread = after(0.1, other.sendall, b"x")
        assert one.recv(1) == b"x"
        thread.join(5)


def test_http_server_on_loopback():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(0.1)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = started(server.serve_forever, 0.05)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server.server_port}/", timeout=10) as answer:
            assert answer.read() == b"hello"
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()


@unix
def test_interval_timer_interrupts_waiting():
    ticks = []
    earlier = signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        end = time.monotonic() + 20
        while len(ticks) < 4 and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert len(ticks) >= 4


@unix
def test_handler_that_sleeps():
    slept = []

    def handle(*_):
        time.sleep(0.3)
        slept.append(1)

    earlier = signal.signal(signal.SIGUSR1, handle)
    try:
        before = time.monotonic()
        thread = after(0.2, os.kill, os.getpid(), signal.SIGUSR1)
        time.sleep(1)
        thread.join(5)
        assert slept == [1] and time.monotonic() - before >= 1
    finally:
        signal.signal(signal.SIGUSR1, earlier)


@unix
def test_queue_of_a_process():
    context = multiprocessing.get_context("fork")
    items = context.Queue()
    process = context.Process(target=lambda: (time.sleep(0.2), items.put("x")))
    process.start()
    assert items.get(timeout=20) == "x"
    process.join(20)
    with pytest.raises(queue.Empty):
        items.get(timeout=0.2)
    items.close()
    items.join_thread()


@unix
def test_pool_of_processes():
    with futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        with pytest.raises(futures.TimeoutError):
            pool.submit(time.sleep, 1).result(timeout=0.1)
        assert pool.submit(pow, 2, 5).result(timeout=30) == 32


@unix
def test_heartbeat_of_a_child_in_a_file(tmp_path):
    """A child that nobody waits for writes; the test polls with sleeps that must be real."""
    path = tmp_path / "beats"
    path.touch()
    code = f"import time\nfor _ in range(3):\n time.sleep(0.1); open({str(path)!r}, 'a').write('x')"
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    end = time.monotonic() + 20
    while path.stat().st_size < 3 and time.monotonic() < end:
        time.sleep(0.1)
    os.waitpid(child, 0)
    assert path.read_text() == "xxx"


# ---- what one test leaves to the next


def test_leaves_a_sleeper_behind():
    started(time.sleep, 3600, daemon=True)
    time.sleep(0.2)


def test_is_not_bothered_by_it():
    before = time.monotonic()
    assert not threading.Event().wait(1)
    assert 1 <= time.monotonic() - before < 60
