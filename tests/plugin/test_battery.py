"""Tests of threads and timeouts, each with the same verdict on the real clock and on the virtual one.

On the real clock: `REAL=1 pytest tests/plugin/test_battery.py` (about two minutes). No upper bound on time is asserted but what a virtual clock
makes certain: a thread that sleeps a second less wakes first.
"""

import asyncio
import concurrent.futures as futures
import multiprocessing
import os
import queue
import random
import sched
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from functools import partial
from time import sleep as nap

import pytest

pytestmark = [] if os.environ.get("REAL") else pytest.mark.usefixtures("fast_time")


def after(seconds, action, *arguments):
    """Does something in a thread, later."""
    thread = threading.Thread(target=lambda: (time.sleep(seconds), action(*arguments)))
    thread.start()
    return thread


# ---- sleeping and reading the time


def test_sleep_takes_its_time():
    before = time.monotonic()
    time.sleep(2)
    assert time.monotonic() - before >= 2


def test_imported_sleep():
    before = time.perf_counter()
    nap(2)
    assert time.perf_counter() - before >= 2


def test_nanoseconds():
    before = time.monotonic_ns(), time.perf_counter_ns()
    time.sleep(1)
    assert time.monotonic_ns() - before[0] >= 10**9 and time.perf_counter_ns() - before[1] >= 10**9


def test_monotonic_never_goes_back():
    seen = []
    for _ in range(50):
        seen.append(time.monotonic())
        time.sleep(0.01)
    assert seen == sorted(seen)


def test_wall_clock():
    before = time.time()
    time.sleep(2)
    assert 2 <= time.time() - before < 60


def test_datetime():
    before = datetime.now()
    time.sleep(2)
    assert 2 <= (datetime.now() - before).total_seconds() < 60


def test_process_time_stays():
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 1


@pytest.mark.parametrize("bad, error", [(-1, ValueError), ("1", TypeError), (None, TypeError)])
def test_sleep_checks_its_argument(bad, error):
    with pytest.raises(error):
        time.sleep(bad)


def test_sleep_as_target():
    thread = threading.Thread(target=time.sleep, args=(1,))
    thread.start()
    assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


def test_class_attribute_is_not_bound():
    class Holder:
        wait = time.sleep
        now = time.monotonic

    before = Holder().now()
    Holder().wait(1)
    assert Holder().now() - before >= 1


def test_partial():
    pause, before = partial(time.sleep, 1), time.monotonic()
    pause()
    assert time.monotonic() - before >= 1


# ---- events


def test_event_times_out():
    before = time.monotonic()
    assert threading.Event().wait(2) is False
    assert time.monotonic() - before >= 2


def test_event_in_time():
    event = threading.Event()
    thread = after(1, event.set)
    assert event.wait(3) is True
    thread.join()


def test_event_too_late():
    event = threading.Event()
    thread = after(2, event.set)
    assert event.wait(1) is False
    thread.join()
    assert event.is_set()


def test_event_wakes_all():
    event, woken = threading.Event(), []
    threads = [threading.Thread(target=lambda: woken.append(event.wait(5))) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert woken == []
    event.set()
    for thread in threads:
        thread.join(5)
    assert woken == [True] * 5


def test_stop_flag_ends_a_loop():
    stop, rounds = threading.Event(), []

    def loop():
        while not stop.wait(0.5):
            rounds.append(1)

    thread = threading.Thread(target=loop)
    thread.start()
    time.sleep(2.25)
    stop.set()
    thread.join(5)
    assert len(rounds) == 4


# ---- conditions


def test_condition_notify():
    condition, ready = threading.Condition(), []

    def work():
        time.sleep(1)
        with condition:
            ready.append(1)
            condition.notify()

    thread = threading.Thread(target=work)
    thread.start()
    with condition:
        assert condition.wait_for(lambda: ready, timeout=3)
    thread.join()


def test_condition_wait_for_times_out():
    condition = threading.Condition()
    with condition:
        assert not condition.wait_for(lambda: False, timeout=2)


def test_condition_over_a_plain_lock():
    condition = threading.Condition(threading.Lock())
    with condition:
        assert condition.wait(1) is False


def test_condition_without_the_lock():
    with pytest.raises(RuntimeError):
        threading.Condition().wait(1)


def test_holding_the_lock_after_notify():
    condition, order = threading.Condition(), []

    def waiter():
        with condition:
            condition.wait(5)
            order.append("woken")

    thread = threading.Thread(target=waiter)
    thread.start()
    time.sleep(0.5)
    with condition:
        condition.notify()
        time.sleep(1)
        order.append("released")
    thread.join(5)
    assert order == ["released", "woken"]


def test_condition_subclass():
    class Logged(threading.Condition):
        def wait(self, timeout=None):
            return super().wait(timeout)

    condition = Logged()
    with condition:
        assert condition.wait(1) is False


# ---- queues


def test_queue_empty_times_out():
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=2)


def test_queue_full_times_out():
    full = queue.Queue(1)
    full.put(1)
    with pytest.raises(queue.Full):
        full.put(2, timeout=2)


def test_queue_hands_over():
    items = queue.Queue()
    thread = after(1, items.put, "x")
    assert items.get(timeout=3) == "x"
    thread.join()


def test_queue_join():
    items, done = queue.Queue(), []

    def work():
        while True:
            item = items.get()
            if item is None:
                return
            time.sleep(item)
            done.append(item)
            items.task_done()

    thread = threading.Thread(target=work)
    thread.start()
    for item in (0.5, 1.0, 0.25):
        items.put(item)
    items.join()
    assert done == [0.5, 1.0, 0.25]
    items.put(None)
    thread.join(5)


def test_simple_queue_times_out():
    with pytest.raises(queue.Empty):
        queue.SimpleQueue().get(timeout=2)


def test_simple_queue_hands_over():
    items = queue.SimpleQueue()
    thread = after(1, items.put, 7)
    assert items.get(timeout=3) == 7
    thread.join()


def test_simple_queue_many_consumers():
    items, got = queue.SimpleQueue(), []
    threads = [threading.Thread(target=lambda: got.append(items.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(4):
        time.sleep(0.5)
        items.put(number)
    for thread in threads:
        thread.join(5)
    assert sorted(got) == [0, 1, 2, 3]


def test_producer_and_consumer():
    items, taken = queue.Queue(maxsize=2), []

    def produce():
        for number in range(6):
            items.put(number)
            time.sleep(0.1)
        items.put(None)

    thread = threading.Thread(target=produce)
    thread.start()
    while (item := items.get(timeout=5)) is not None:
        time.sleep(0.3)
        taken.append(item)
    thread.join(5)
    assert taken == list(range(6))


# ---- locks


def test_lock_held_while_asleep():
    lock, seen = threading.Lock(), []

    def work():
        with lock:
            time.sleep(1)
            seen.append("worker")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.25)
    with lock:
        seen.append("test")
    thread.join()
    assert seen == ["worker", "test"]


def test_lock_times_out():
    lock = threading.Lock()
    lock.acquire()
    before = time.monotonic()
    assert lock.acquire(timeout=2) is False
    assert time.monotonic() - before >= 2


def test_lock_in_time():
    lock = threading.Lock()
    lock.acquire()
    thread = after(1, lock.release)
    assert lock.acquire(timeout=3)
    thread.join()


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock], ids=["Lock", "RLock"])
def test_lock_complains(make):
    with pytest.raises(ValueError):
        make().acquire(False, 1)
    with pytest.raises(ValueError):
        make().acquire(True, -2)


def test_release_of_a_free_lock():
    with pytest.raises(RuntimeError):
        threading.Lock().release()


def test_rlock_is_reentrant():
    lock, seen = threading.RLock(), []

    def work():
        with lock, lock:
            time.sleep(1)
            seen.append("worker")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.25)
    with lock:
        seen.append("test")
    thread.join()
    assert seen == ["worker", "test"]


def test_rlock_of_another_thread():
    lock = threading.RLock()
    thread = threading.Thread(target=lambda: (lock.acquire(), time.sleep(1), lock.release()))
    thread.start()
    time.sleep(0.25)
    assert lock.acquire(timeout=0.25) is False
    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(timeout=3)
    lock.release()
    thread.join()


def test_lock_is_a_lock():
    kind = type(threading.Lock())
    assert isinstance(threading.Lock(), kind)
    with pytest.raises(TypeError):
        __import__("pickle").dumps(threading.Lock())


# ---- semaphores and barriers


def test_semaphore_times_out():
    before = time.monotonic()
    assert threading.Semaphore(0).acquire(timeout=2) is False
    assert time.monotonic() - before >= 2


def test_semaphore_limits():
    limit, now, most = threading.BoundedSemaphore(2), [], []

    def work():
        with limit:
            now.append(1)
            most.append(len(now))
            time.sleep(1)
            now.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert max(most) == 2 and len(most) == 5


def test_barrier_breaks():
    with pytest.raises(threading.BrokenBarrierError):
        threading.Barrier(2).wait(timeout=2)


def test_barrier_meets():
    barrier, met = threading.Barrier(3), []
    threads = [after(delay, lambda: met.append(barrier.wait(5))) for delay in (0.5, 1.5)]
    barrier.wait(5)
    for thread in threads:
        thread.join(5)
    assert len(met) == 2


# ---- timers, order, joins


def test_timer_fires():
    hit = threading.Event()
    threading.Timer(1, hit.set).start()
    assert hit.wait(3)


def test_timer_cancelled():
    hit = []
    timer = threading.Timer(2, hit.append, [1])
    timer.start()
    time.sleep(1)
    timer.cancel()
    timer.join(3)
    assert not hit


def test_order_of_deadlines():
    order, lock = [], threading.Lock()

    def work(number):
        time.sleep(number / 5)
        with lock:
            order.append(number)

    numbers = list(range(1, 13))
    random.Random(7).shuffle(numbers)
    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == sorted(numbers)


def test_join_times_out():
    thread = after(3, int)
    thread.join(timeout=1)
    assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


def test_ended_without_a_join():
    thread = after(0.5, int)
    time.sleep(1)
    assert not thread.is_alive()
    assert thread not in threading.enumerate()


def test_join_errors():
    thread = threading.Thread(target=int)
    with pytest.raises(RuntimeError):
        thread.join()
    with pytest.raises(RuntimeError):
        threading.current_thread().join()


def test_started_once():
    thread = after(0.5, int)
    with pytest.raises(RuntimeError):
        thread.start()
    thread.join()


# ---- pools and futures


def test_pool_in_time():
    with futures.ThreadPoolExecutor(2) as pool:
        assert pool.submit(lambda: (time.sleep(1), 7)[1]).result(timeout=3) == 7


def test_pool_times_out():
    with futures.ThreadPoolExecutor(1) as pool:
        with pytest.raises(futures.TimeoutError):
            pool.submit(time.sleep, 3).result(timeout=1)


def test_as_completed_in_order():
    with futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(lambda d=delay: (time.sleep(d), d)[1]) for delay in (1.5, 0.5, 1)]
        assert [job.result() for job in futures.as_completed(jobs, timeout=5)] == [0.5, 1, 1.5]


def test_wait_for_the_first():
    with futures.ThreadPoolExecutor(2) as pool:
        slow, quick = pool.submit(time.sleep, 2), pool.submit(time.sleep, 1)
        done, left = futures.wait([slow, quick], return_when=futures.FIRST_COMPLETED)
        assert done == {quick} and left == {slow}


def test_pool_is_saturated():
    before = time.monotonic()
    with futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(time.sleep, [1, 1, 1, 1]))
    assert time.monotonic() - before >= 2


def test_thread_pool_of_multiprocessing():
    from multiprocessing.pool import ThreadPool

    with ThreadPool(2) as pool:
        assert pool.map_async(lambda x: (time.sleep(0.2), x)[1], [1, 2]).get(timeout=10) == [1, 2]


# ---- what products do


def test_heartbeats():
    beats, stop = [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(time.monotonic())
            time.sleep(0.5)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    time.sleep(2.25)
    stop.set()
    thread.join(2)
    assert len(beats) == 5
    assert all(later - earlier >= 0.5 for earlier, later in zip(beats, beats[1:]))


def test_backoff():
    tried = []

    def attempt():
        tried.append(time.monotonic())
        return len(tried) == 4

    delay = 0.25
    while not attempt():
        time.sleep(delay)
        delay *= 2
    gaps = [later - earlier for earlier, later in zip(tried, tried[1:])]
    assert all(gap >= least for gap, least in zip(gaps, (0.25, 0.5, 1.0)))


def test_ttl():
    class Cache:
        def __init__(self, ttl, timer=time.monotonic):
            self.until = timer() + ttl
            self.timer = timer

        def fresh(self):
            return self.timer() < self.until

    cache = Cache(2)
    time.sleep(1)
    assert cache.fresh()
    time.sleep(1.5)
    assert not cache.fresh()


def test_poll_with_a_deadline():
    box = []
    thread = after(1, box.append, 1)
    end = time.monotonic() + 3
    while not box and time.monotonic() < end:
        time.sleep(0.05)
    thread.join()
    assert box


def test_poll_that_gives_up():
    end, polls = time.monotonic() + 2, 0
    while time.monotonic() < end:
        polls += 1
        time.sleep(0.25)
    assert 2 <= polls <= 8


def test_scheduler():
    done = []
    scheduler = sched.scheduler(time.monotonic, time.sleep)
    scheduler.enter(2, 1, done.append, ("late",))
    scheduler.enter(1, 1, done.append, ("early",))
    scheduler.run()
    assert done == ["early", "late"]


def test_nothing_happens():
    hit = threading.Event()
    timer = threading.Timer(5, hit.set)
    timer.start()
    assert not hit.wait(2)
    timer.cancel()
    timer.join()


# ---- asyncio


def test_asyncio_sleep():
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(2)
        return loop.time() - before

    assert asyncio.run(main()) >= 2


def test_asyncio_wait_for():
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(5), 1)

    asyncio.run(main())


def test_asyncio_gather_in_order():
    async def main():
        order = []

        async def one(delay):
            await asyncio.sleep(delay)
            order.append(delay)

        await asyncio.gather(one(1.5), one(0.5), one(1))
        return order

    assert asyncio.run(main()) == [0.5, 1, 1.5]


def test_asyncio_executor():
    async def main():
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(None, lambda: (time.sleep(1), 7)[1])
        await asyncio.sleep(0.5)
        assert not job.done()
        return await asyncio.wait_for(job, 3)

    assert asyncio.run(main()) == 7


def test_asyncio_from_another_thread():
    async def main():
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        thread = after(1, loop.call_soon_threadsafe, event.set)
        await asyncio.wait_for(event.wait(), 3)
        thread.join()

    asyncio.run(main())


def test_asyncio_loop_in_a_thread():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(1, 7), loop).result(timeout=3) == 7
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()
    assert not thread.is_alive()


# ---- where the clock has to step aside

unix = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")


@unix
@pytest.mark.parametrize("arm", [lambda: signal.alarm(1), lambda: signal.setitimer(signal.ITIMER_REAL, 0.3)], ids=["alarm", "setitimer"])
def test_alarm_cuts_a_sleep_short(arm):
    class Rang(Exception):
        pass

    def ring(*_):
        raise Rang

    earlier = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(Rang):
            arm()
            time.sleep(20)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


@unix
def test_signal_to_oneself_wakes_a_wait():
    event = threading.Event()
    earlier = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    try:
        thread = after(0.5, os.kill, os.getpid(), signal.SIGUSR1)
        assert event.wait(5) is True
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, earlier)


def test_subprocess_keeps_its_timeout():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.2)"], timeout=30, check=True)


def test_subprocess_times_out():
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)


def test_polling_for_a_child(tmp_path):
    path = tmp_path / "x"
    code = f"import time; time.sleep(0.2); open({str(path)!r}, 'w').close()"
    with subprocess.Popen([sys.executable, "-c", code]):
        end = time.monotonic() + 20
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert path.exists()


@unix
def test_polling_for_a_grandchild(tmp_path):
    """A daemon: its parent has ended, and nobody here knows it."""
    path = tmp_path / "x"
    code = f"import os, time\nif os.fork() == 0:\n os.setsid(); time.sleep(0.5); open({str(path)!r}, 'w').close(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert path.exists()


@unix
def test_process_of_multiprocessing():
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=lambda: (time.sleep(0.2), ready.set()))
    process.start()
    assert ready.wait(20)
    process.join(20)
    assert process.exitcode == 0


@unix
def test_terminated_process():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,))
    process.start()
    process.terminate()
    process.join(20)
    assert process.exitcode == -signal.SIGTERM


def test_socket_beats_its_timeout():
    one, other = socket.socketpair()
    got = []
    thread = threading.Thread(target=lambda: got.append(one.recv(5)))
    thread.start()
    time.sleep(0.05)
    other.sendall(b"hello")
    thread.join(timeout=10)
    assert got == [b"hello"]
    one.close()
    other.close()


def test_socket_times_out():
    one, other = socket.socketpair()
    one.settimeout(0.2)
    with pytest.raises(socket.timeout):
        one.recv(1)
    one.close()
    other.close()


def test_file_times(tmp_path):
    path = tmp_path / "x"
    path.write_text("1")
    before = os.stat(path).st_mtime_ns
    time.sleep(0.1)
    path.write_text("2")
    assert os.stat(path).st_mtime_ns > before


def test_thread_of_another_kind():
    """A thread that nobody knows delivers in real time."""
    import _thread

    box, end = [], time.monotonic() + 20
    _thread.start_new_thread(lambda: (sum(range(2_000_000)), box.append(1)), ())
    while not box and time.monotonic() < end:
        time.sleep(0.05)
    assert box


def test_busy_thread_is_not_overtaken():
    box = []
    thread = threading.Thread(target=lambda: box.append(sum(range(2_000_000))))
    thread.start()
    thread.join(timeout=30)
    assert box
