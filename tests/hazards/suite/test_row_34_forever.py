"""A sleep for ever that something else ends."""

import asyncio
import threading
import time

FAULTS = []


def test_leave_cancelled():
    async def main():
        task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0.05)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert asyncio.run(main())


def test_leave_daemon():
    thread = threading.Thread(target=time.sleep, args=(100000,), daemon=True)
    thread.start()
    assert thread.is_alive()


def test_treat_ordinary():
    start = time.monotonic()
    time.sleep(0.6)
    assert time.monotonic() > start
