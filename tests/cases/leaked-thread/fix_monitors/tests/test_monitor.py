import unittest
from unittest.mock import patch

import pytest

from app import Job, Monitor


def test_left_running():
    monitor = Monitor()
    monitor.start()
    assert monitor.timeout == 0.2


def test_left_running_with_a_fixture(tmp_path):
    monitor = Monitor(timeout=0.1).start()
    assert tmp_path.exists()
    assert monitor.timeout == 0.1


@pytest.mark.parametrize("timeout", [0.1, 0.2])
@patch("app.Job")
def test_left_running_under_a_patch(job, timeout, verbose=False):
    monitor = Monitor(timeout)
    monitor.start()  # in the background
    assert not verbose and job


def test_has_request_already(request):
    monitor = Monitor()
    monitor.start()
    assert request.node.name == "test_has_request_already"


@pytest.fixture
def monitor():
    monitor = Monitor()
    monitor.start()
    yield monitor


class TestMethods:
    def test_left_running(self):
        monitor = Monitor()
        monitor.start()
        assert monitor.timeout


class MonitorCase(unittest.TestCase):
    def setUp(self):
        self.monitor = Monitor()
        self.monitor.start()

    def test_timeout(self):
        other = Monitor()
        other.start()
        self.assertEqual(self.monitor.timeout, other.timeout)


def watching(**options):
    return Monitor(**options).start()


def test_started_by_a_helper():
    monitor = watching(timeout=0.1)
    assert monitor.timeout == 0.1


def test_stopped():
    monitor = Monitor()
    monitor.start()
    monitor.stop()


def test_stopped_whatever_happens():
    monitor = watching()
    try:
        assert monitor.timeout
    finally:
        monitor.stop()


def test_context():
    with Monitor() as monitor:
        assert monitor.timeout


def test_entered_later():
    monitor = Monitor()
    with monitor:
        assert monitor.timeout


def test_several():
    one, two = Monitor(), Monitor()
    first = Monitor().start()
    second = Monitor().start()
    for monitor in (first, second):
        monitor.stop()
    assert one is not two


def test_starts_no_thread():
    job = Job()
    job.start()
    assert job.started


class Writer:
    def __init__(self, monitor):
        self.monitor = monitor


class Keeper(Writer):
    pass


class Stopper:
    def __init__(self, monitor):
        self.monitor = monitor

    def finish(self):
        self.monitor.stop()


def test_used_by_one_that_stops_nothing():
    monitor = Monitor()
    monitor.start()
    assert Writer(monitor).monitor


def test_used_by_one_that_stops_it():
    monitor = Monitor()
    monitor.start()
    Stopper(monitor).finish()


def test_used_by_one_that_may():
    monitor = Monitor()
    monitor.start()
    assert Keeper(monitor)
