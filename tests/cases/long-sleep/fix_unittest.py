import time
import unittest


class PoolTest(unittest.TestCase):
    def setUp(self):
        time.sleep(0.7)

    def test_idle_connections_close(self):
        time.sleep(1.5)
        self.assertEqual(self.pool.open, 0)


class PoolAsyncTest(unittest.IsolatedAsyncioTestCase):
    async def test_idle_connections_close(self):
        import asyncio

        await asyncio.sleep(1.5)
        self.assertEqual(self.pool.open, 0)
