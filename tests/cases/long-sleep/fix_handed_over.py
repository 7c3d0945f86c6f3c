"""`time.sleep` as a value (HAZARDS row 35)."""
import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def test_thread(registry):
    thread = threading.Thread(target=time.sleep, args=(1.5,))
    thread.start()
    assert registry.busy(thread)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_executor():
    with ThreadPoolExecutor(max_workers=2) as executor:
        future = executor.submit(time.sleep, 1.5)
        assert future.running()


async def test_to_thread(loop):
    await asyncio.to_thread(time.sleep, 1.5)
    assert loop.responsive
