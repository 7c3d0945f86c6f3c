"""Whatever the sleep is called, it is the clock's."""
import time as clock
from time import sleep as pause
from time import *


def test_module_alias(queue):
    queue.put(1)
    clock.sleep(2)
    assert queue.empty()


def test_function_alias(queue):
    queue.put(1)
    pause(2)
    assert queue.empty()


def test_star_import(queue):
    queue.put(1)
    sleep(2)
    assert queue.empty()


def test_local_import(queue):
    from time import sleep as nap

    queue.put(1)
    nap(secs=2)
    assert queue.empty()


def test_name_for_it(queue):
    wait = clock.sleep
    queue.put(1)
    wait(2)
    assert queue.empty()


def test_dunder_import(queue):
    queue.put(1)
    __import__("time").sleep(2)
    assert queue.empty()
