import pytest

from m2 import EventDetector, FileWatcher, OutputMonitor, PromptGenerator


@pytest.fixture
def monitor():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    yield monitor
    monitor.stop()


@pytest.fixture
def watcher(tmp_path):
    watcher = FileWatcher(tmp_path, debounce=0.5).start()
    yield watcher
    watcher.stop()


@pytest.fixture
def detector():
    return EventDetector()


@pytest.fixture
def generator():
    return PromptGenerator()
