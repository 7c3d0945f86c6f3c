import pytest
from product import Monitor


@pytest.fixture
def monitor():
    monitor = Monitor(timeout=0.8)
    monitor.start()
    yield monitor
    monitor.stop()
