"""More than fits: what is over the limit must stay over it."""

import threading

import pytest
from product import Queue

FAULTS = ["unbounded"]


def test_treat_above_the_limit():
    queue = Queue(maxsize=4)
    refused = []

    def put(item):
        try:
            queue.put(item)
        except OverflowError:
            refused.append(item)

    threads = [threading.Thread(target=put, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
        assert not thread.is_alive()
    assert refused


def test_leave_at_the_limit():
    queue = Queue(maxsize=4)
    for i in range(4):
        queue.put(i)
    with pytest.raises(OverflowError):
        queue.put(4)
