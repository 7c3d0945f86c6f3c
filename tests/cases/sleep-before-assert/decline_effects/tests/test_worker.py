import asyncio
import time


def test_takes(worker):
    time.sleep(1.0)
    assert worker.queue.get() == "job"


def test_spread(worker):
    time.sleep(1.0)
    assert worker.finished == [
        "job",
    ]


async def test_coroutine(worker):
    await asyncio.sleep(1.0)
    assert worker.finished == ["job"]
