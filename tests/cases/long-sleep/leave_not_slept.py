"""Sleeps that no passing test sits through."""

import asyncio
import sys
import threading
import time
import unittest

import pytest


async def test_cancelled_just_before():
    with pytest.raises(asyncio.CancelledError):
        asyncio.current_task().cancel()
        await asyncio.sleep(1)


def test_abandoned():
    done = threading.Event()

    def quick():
        done.set()

    def slow():
        time.sleep(20)
        done.clear()

    threading.Thread(target=quick).start()
    threading.Thread(target=slow, daemon=True).start()
    assert done.wait(timeout=5)


def test_never_run():
    if sys.version_info < (3, 11):

        def old_style(
            seconds=1,
        ):  # pragma: no cover
            time.sleep(1)

        assert old_style
    time.sleep(0.1)
    if sys.flags.debug:  # pragma: no cover
        time.sleep(3)


class Case(unittest.TestCase):
    def fail_with(self, why):
        if why:
            time.sleep(1)  # let it print
        self.fail(why)

    def give_up(self):
        time.sleep(1)
        raise AssertionError

    def test_fine(self):
        if self.id() == "":
            self.fail_with("no id")
            self.give_up()


def test_its_decorator_ends_it():
    @limited(timeout=0.01)
    def short():
        time.sleep(1)

    with pytest.raises(TimeoutError):
        short()


def cancelled_by_all_who_use_it():
    time.sleep(10)


def test_cancelled(executor):
    future = executor.submit(cancelled_by_all_who_use_it)
    future.cancel()


def test_killed(executor):
    process = executor.process(cancelled_by_all_who_use_it)
    process.kill()


def test_never_awaited(wait):
    coroutine = asyncio.sleep(10)
    with pytest.raises(ValueError):
        wait([coroutine], return_when=-1)
    coroutine.close()


def test_worker_is_terminated(executor):
    future = executor.submit(time.sleep, 30)
    worker = next(iter(executor.processes))
    worker.terminate()
    with pytest.raises(OSError):
        future.result()
