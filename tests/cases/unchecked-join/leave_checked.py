import multiprocessing
import threading


def test_alive():
    thread = threading.Thread(target=print)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_exitcode():
    process = multiprocessing.Process(target=print)
    process.join(timeout=5)
    assert process.exitcode == 0


def test_without_timeout():
    thread = threading.Thread(target=print)
    thread.join()


def test_other():
    assert "-".join(["a"])


def test_joined_again():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join(0.5)
    print("it has had some time")
    thread.join()
