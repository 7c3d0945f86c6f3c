import pytest
import workers


@pytest.fixture
def worker():
    worker = workers.Worker()
    worker.start()
    return worker
