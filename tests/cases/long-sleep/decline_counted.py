"""A shorter time is one in which less happens, which these tests count."""

import time
import unittest
from unittest.mock import MagicMock

import can


class TestPeriodic(unittest.TestCase):
    def test_size_of_a_queue(self):
        bus = can.Bus()
        bus.send_periodic("message", 0.01, 1)
        time.sleep(2)
        size = bus.queue.qsize()
        self.assertTrue(80 <= size <= 120, f"{size} messages")

    def test_more_than_one_call(self):
        called = MagicMock()
        task = can.Task(called, period=0.1, duration=3)
        time.sleep(1)
        self.assertTrue(called.call_count > 1)
        task.stop()

    def test_so_many_calls(self):
        called = MagicMock()
        task = can.Task(called, period=0.1)
        time.sleep(1.05)
        task.stop()
        self.assertEqual(10, called.call_count)
