"""What runs a function in its place, or takes it over as a worker, may end its sleep: made shorter, it would end first."""
import time
from datetime import datetime
from multiprocessing import get_context

from library import Timeout, pool, process

context = None
if context is None:
    context = get_context("spawn")


@process(limit=0.1)
def handed_over():
    time.sleep(10)


def endless():
    time.sleep(30)


def test_cancelled():
    future = handed_over()
    assert future.running()


def test_worker_times_out():
    assert pool(endless) is None


def test_children(executor):
    with executor(context=context) as workers:
        time.sleep(1)
        assert workers.ready


def test_around_the_minute(job):
    if datetime.now().second >= 58:
        time.sleep(2.5)
    assert job.runs == 1
