"""The worker finishes its jobs."""

from __future__ import annotations

import time
import unittest

import pytest
import requests_mock
import yaml

from app import Worker


def test_finished():
    worker = Worker()
    worker.submit("job")
    time.sleep(1.0)
    assert worker.finished == ["job"]


def test_several():
    worker = Worker()
    worker.submit("job")
    time.sleep(4.0)  # it is slow
    assert len(worker.finished) == 1
    assert worker.idle or worker.waiting
    worker.close()


class Case(unittest.TestCase):
    def test_finished(self):
        worker = Worker()
        worker.submit("job")
        time.sleep(1.0)
        self.assertTrue(worker.idle)


def test_tools():
    assert pytest and requests_mock and yaml
