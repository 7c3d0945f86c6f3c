"""A name that is `sleep` here is something else."""
import time
from time import sleep

from app.shell import shell
from fakes import FakeClock


def test_parameter(sleep):
    sleep(5)


def test_local_function():
    def sleep(seconds):
        return seconds

    sleep(5)


def test_local_rebinding(clock):
    sleep = clock.advance
    sleep(5)


def test_other_object():
    time = FakeClock()
    time.sleep(5)


def test_comprehension(sleepers):
    assert [sleep(5) for sleep in sleepers]


def test_lambda():
    assert (lambda sleep: sleep(5))(print) is None


def test_walrus(clock):
    if (sleep := clock.advance) is not None:
        sleep(5)


def test_loop_variable(sleepers):
    for sleep in sleepers:
        sleep(5)


def test_with_target(clock):
    with clock.frozen() as sleep:
        sleep(5)


def test_except_target():
    try:
        shell("x")
    except RuntimeError as sleep:
        sleep(5)


def test_nonlocal(clock):
    sleep = None

    def replace():
        nonlocal sleep
        sleep = clock.advance

    replace()
    sleep(5)


def test_shell_wrapper():
    shell.sleep(5)


class Scheduler:
    def sleep(self, seconds):
        self.woken = seconds

    def test(self):
        self.sleep(5)


def test_method():
    Scheduler().sleep(5)
