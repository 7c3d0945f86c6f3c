import asyncio
import time


def test_yields():
    time.sleep(0)
    time.sleep(0.001)
    time.sleep(0.5)
    time.sleep(-1)


async def test_lets_others_run():
    await asyncio.sleep(0)
    await asyncio.sleep(0.3)
