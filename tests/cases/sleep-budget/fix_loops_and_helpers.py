"""No sleep here is long; how often it happens is what counts."""
import time


def push(queue, item):
    queue.put(item)
    time.sleep(0.2)


def push_all(queue, items=3):
    for item in range(items):
        push(queue, item)


def test_loop(queue):
    for item in range(4):
        queue.put(item)
        time.sleep(0.3)
    assert queue.empty()


def test_helper(queue):
    push_all(queue)
    assert queue.empty()


def test_while_counts_once(queue):
    while not queue.empty():
        time.sleep(0.4)
