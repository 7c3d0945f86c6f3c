"""What a helper is passed, it passes on: the number is the caller's, or the default where the caller says none."""
import time

from app.monitor import Monitor


def monitor(timeout=2.0):
    return Monitor("a", timeout=timeout)


def named(name, seconds_of_silence):
    return Monitor(name, seconds_of_silence)


def configured(settings, keepalive=2):
    settings.set("keepalive", keepalive)
    return settings


class Base:
    def make(self, timeout):
        return monitor(timeout=timeout)


def test_default():
    one = monitor()
    time.sleep(2.5)
    assert one.silent


def test_keyword():
    one = monitor(timeout=1.0)
    time.sleep(1.5)
    assert one.silent


def test_positional():
    one = named("a", 1.2)
    time.sleep(2)
    assert one.silent


class TestThroughTwo(Base):
    def test_method(self):
        one = self.make(0.8)
        time.sleep(1.5)
        assert one.silent


def test_two_of_them():
    first, second = monitor(timeout=1.0), monitor(timeout=0.6)
    time.sleep(1.5)
    assert first.silent and second.silent


def test_a_setting_stays(settings):
    one = configured(settings, keepalive=1)
    time.sleep(2.5)
    assert one.closed


def anyhow(**options):
    return Monitor("a", **options)


class Wrapped:
    def __init__(self, limit):
        self.monitor = Monitor("a", limit)


class Special(Monitor):
    def __init__(self, limit):
        super().__init__("a", limit)


def test_options():
    one = anyhow(timeout=1.0)
    time.sleep(1.5)
    assert one.silent


def test_constructors():
    first, second = Wrapped(1.0), Special(1.0)
    time.sleep(1.5)
    assert first.monitor.silent and second.silent
