"""Nobody sits through these: something else ends them (HAZARDS row 34)."""
import asyncio
import subprocess
import sys
import time

import pytest


def sleeper():
    time.sleep(3600)


async def test_cancel():
    task = asyncio.create_task(asyncio.sleep(1000))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_timeout():
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(100), timeout=0.1)


def test_kill():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process.kill()
    assert process.wait(timeout=30) != 0
