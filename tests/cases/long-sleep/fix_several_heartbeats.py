"""How many heartbeats are missed while the test sleeps, stays."""
import asyncio


async def test_reset(stream):
    subscription = await stream.subscribe(heartbeat_interval=0.5)
    await stream.drop_consumer()
    await asyncio.sleep(3)
    assert subscription.was_reset
