from helpers import poll_until
from jobs import Queue

SETTLE = 3.0


def test_idle_after_a_while():
    queue = Queue(idle_after=2.5)
    queue.put("job")
    poll_until(SETTLE, queue)
    assert queue.is_idle


def test_busy_at_first():
    queue = Queue(idle_after=30)
    queue.put("job")
    poll_until(seconds=0.2, queue=queue)
    assert not queue.is_idle
