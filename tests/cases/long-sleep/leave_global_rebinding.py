"""The module's own `sleep` replaces the clock's, wherever that happens."""
from time import sleep


def install(fake):
    global sleep
    sleep = fake


def sleep(seconds):
    return seconds


def test_nothing_sleeps():
    sleep(5)
