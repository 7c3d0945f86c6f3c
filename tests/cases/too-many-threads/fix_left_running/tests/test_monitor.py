import pytest

from app import Monitor


def test_timeout():
    monitor = Monitor()
    monitor.start()
    assert monitor.timeout == 0.2


@pytest.mark.parametrize("timeout", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_timeouts(timeout):
    monitor = Monitor(timeout)
    monitor.start()
    assert monitor.timeout == timeout
