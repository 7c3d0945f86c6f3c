"""In a worker an assertion is swallowed, and after a timeout alone the worker ends well although what it joins hangs."""
import multiprocessing
import threading


def test_join_in_a_thread():
    inner = threading.Thread(target=print)

    def outer():
        inner.start()
        inner.join()

    thread = threading.Thread(target=outer)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()


def start_and_join():
    child = multiprocessing.Process(target=print)
    child.start()
    child.join()


def test_join_in_a_process():
    process = multiprocessing.Process(target=start_and_join)
    process.start()
    process.join(timeout=5)
    assert process.exitcode == 0


class Outer(threading.Thread):
    def run(self):
        inners = [threading.Thread(target=print) for _ in range(3)]
        for inner in inners:
            inner.start()
        [inner.join() for inner in inners]


def test_join_in_a_subclass():
    outer = Outer()
    outer.start()
    outer.join(timeout=5)
    assert not outer.is_alive()
