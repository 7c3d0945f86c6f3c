"""The sleep shrinks, the deadlines beside it stay."""
import queue
import time


def test_answer(worker):
    answers = queue.Queue()
    worker.start(answers)
    time.sleep(1.5)
    assert answers.get(timeout=30) == 42
    worker.stop(timeout=10)
