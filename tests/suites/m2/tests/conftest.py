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


# >>> testdiet >>>
# Written by `testdiet init`, which updates it too.
# Tests have the fixtures fast_time and with_cleanup, and can import wait_until from testdiet.
import pytest as _testdiet_pytest  # noqa: E402


@_testdiet_pytest.hookimpl(specname="pytest_addoption")
def pytest_testdiet_fixtures(pluginmanager):
    import importlib.util
    import os
    import sys

    try:
        installed = importlib.util.find_spec("testdiet.plugin") is not None
    except ImportError:
        installed = False
    if installed:
        pluginmanager.import_plugin("testdiet.plugin")
        return
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_testdiet.py")
    spec = importlib.util.spec_from_file_location("testdiet", path)
    # For `from testdiet import wait_until`, whether the folder is on sys.path or not.
    module = sys.modules["testdiet"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pluginmanager.register(module, "testdiet.plugin")
# <<< testdiet <<<
