"""A proven thread whose work is seen: safe."""
import multiprocessing
import threading
from threading import Thread as Worker
from threading import Timer


def work():
    return 1


def test_name():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not thread.daemon


def test_alias_and_comment():
    worker = Worker(target=work)
    worker.start()
    worker.join()  # wait for it
    print("done")


def test_none_and_spaces():
    worker = Worker(target=work)
    worker.start()
    worker.join( None )
    worker.join(timeout=None)


def test_process():
    process = multiprocessing.Process(target=work)
    process.start()
    process.join()


def test_context():
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work)
    process.start()
    process.join()


def test_timer():
    timer = Timer(0.01, work)
    timer.start()
    timer.join()


def test_one_line():
    worker = Worker(target=work); worker.start(); worker.join()
    if not worker.daemon: worker.join()


def test_in_blocks():
    worker = Worker(target=work)
    try:
        worker.start()
    finally:
        worker.join()
    with open("x") as file:
        worker.join()
    while worker.is_alive():
        worker.join()
