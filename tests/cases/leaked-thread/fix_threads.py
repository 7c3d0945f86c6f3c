import threading
import time
from multiprocessing import Process


def test_thread():
    seen = []

    def work():
        seen.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    assert seen == [1]


def test_in_a_block():
    seen = []

    def work():
        seen.append(1)

    with open(__file__):
        thread = threading.Thread(target=work)
        thread.start()
        assert thread.name
    assert seen is not None


def test_timer():
    timer = threading.Timer(60.0, print)
    timer.start()
    assert timer.is_alive()


def _child():
    print("child")


def test_process():
    child = Process(target=_child)
    child.start()
    assert child.pid
