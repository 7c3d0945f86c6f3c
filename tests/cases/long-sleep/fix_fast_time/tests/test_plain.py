import asyncio
import threading
import time
from unittest import mock
from unittest.mock import patch

import pytest
import testlib


def test_plain():
    time.sleep(2)


def test_with_fixtures(tmp_path, monkeypatch):
    time.sleep(2)


@pytest.mark.parametrize("seconds", [1, 2])
def test_parametrized(seconds):
    time.sleep(seconds)


@patch("os.getcwd")
@mock.patch.object(time, "tzname")
def test_patched(tzname, getcwd, tmp_path):
    time.sleep(2)


def test_with_a_default(tmp_path, verbose=False):
    time.sleep(2)


@pytest.fixture
def monitor():
    thread = threading.Thread(target=print)
    thread.start()
    yield thread
    thread.join(timeout=5)


def test_after_a_thread(monitor):
    time.sleep(2)


@patch("os.getcwd")
def test_patched_after_a_thread(getcwd, monitor):
    time.sleep(2)


class TestMethods:
    def test_method(self):
        time.sleep(2)

    @staticmethod
    def test_static():
        time.sleep(2)

    class TestNested:
        def test_deep(
            self,
            tmp_path,  # where it works
        ):
            time.sleep(2)


async def test_coroutine():
    await asyncio.sleep(2)


def settle():
    time.sleep(1.5)


def test_helper():
    settle()


def test_helper_again():
    settle()


def wrapped(function):
    return function


@wrapped
def test_decorated():
    time.sleep(2)


class TestSetup:
    def setup_method(self):
        self.thread = threading.Thread(target=print)
        self.thread.start()

    def teardown_method(self):
        self.thread.join(timeout=5)

    def test_method(self):
        time.sleep(2)


class TestUnseenBase(testlib.Case):
    def test_method(self):
        time.sleep(2)
