"""Numbers that a test sleeps beside, and does not wait out."""
import time

from app import clock


def test_a_deadline_of_the_code_under_test(start):
    with clock.fail_after(4):
        start(time.sleep, 5).cancel()


def test_a_default_that_is_as_long_by_chance():
    watcher = clock.Watcher()
    time.sleep(1)
    assert watcher.timeout


def test_a_default_that_something_else_may_have_been_given(options):
    lock = clock.Lock(**options)
    time.sleep(1.5)
    assert lock.grace
