"""Threads kept in lists, dicts, tuples, however they get there and back."""
import threading
from threading import Thread


def work(number=0):
    return number


def test_comprehension():
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_one_line_loop():
    threads = [Thread(target=work), Thread(target=work)]
    for thread in threads: thread.join()


def test_list_comprehension():
    threads = [Thread(target=work) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def test_append():
    threads = []
    for number in range(3):
        thread = Thread(target=work, args=(number,))
        threads.append(thread)
        thread.start()
    for number, thread in enumerate(threads):
        thread.join()


def test_index_and_pop():
    threads = [Thread(target=work) for _ in range(3)]
    threads[0].join()
    threads[-1].join()
    last = threads.pop()
    last.join()


def test_dict():
    threads = {name: Thread(target=work, name=name) for name in "abc"}
    for thread in threads.values():
        thread.join()
    for name, thread in threads.items():
        thread.join()
    threads["a"].join()


def test_dict_item():
    threads = {}
    threads["a"] = Thread(target=work)
    for thread in threads.values():
        thread.join()


def test_tuple():
    first, second = Thread(target=work), Thread(target=work)
    for thread in (first, second):
        thread.join()


def test_zip_and_sorted():
    threads = [Thread(target=work) for _ in range(3)]
    for thread, name in zip(threads, "abc"):
        thread.join()
    for thread in reversed(threads):
        thread.join()


def test_added():
    threads = [Thread(target=work)]
    threads += [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.join()


def test_something_else_added(more):
    threads = [Thread(target=work)]
    threads += more
    for thread in threads:
        thread.join()
