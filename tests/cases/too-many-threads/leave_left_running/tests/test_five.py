"""No more at once than one test may have."""

import pytest

from app import Monitor


@pytest.mark.parametrize("timeout", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_timeouts(timeout):
    monitor = Monitor(timeout)
    monitor.start()
    assert monitor.timeout == timeout


@pytest.mark.parametrize("timeout", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_stopped(timeout):
    monitor = Monitor(timeout)
    monitor.start()
    assert monitor.timeout == timeout
    monitor.stop()
