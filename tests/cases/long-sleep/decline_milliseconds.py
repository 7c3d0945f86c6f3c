"""Nobody waits a thousand seconds: beside a sleep of two, a thousand is milliseconds, and stays longer than the sleep would be."""
import asyncio
import time

from library import Limiter, Rate

RATES = [Rate(3, interval=1000)]


def test_refills():
    limiter = Limiter([Rate(20, interval=1000)])
    assert limiter.full()
    time.sleep(2)
    assert not limiter.full()


async def test_rates_of_the_module():
    limiter = Limiter(RATES)
    await asyncio.sleep(1.2)
    assert not limiter.full()
