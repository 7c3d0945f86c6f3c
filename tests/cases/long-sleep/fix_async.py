import asyncio

import anyio
import pytest
import trio


@pytest.mark.asyncio
async def test_debounce(saver):
    saver.touch()
    await asyncio.sleep(1.5)
    assert saver.saved == 1


async def test_debounce_keyword(saver):
    saver.touch()
    await asyncio.sleep(delay=1.5)
    assert saver.saved == 1


@pytest.mark.anyio
async def test_debounce_anyio(saver):
    saver.touch()
    await anyio.sleep(1.5)
    assert saver.saved == 1


async def test_debounce_trio(saver):
    saver.touch()
    await trio.sleep(1.5)
    assert saver.saved == 1
