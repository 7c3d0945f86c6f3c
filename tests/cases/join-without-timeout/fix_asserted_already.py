"""An assertion that fails while it is alive is there already: it needs no second one. What passes all the same does not count."""
import multiprocessing
import threading
import unittest


def test_exit_code():
    process = multiprocessing.Process(target=print)
    process.start()
    process.join()

    assert process.exitcode == 0
    assert process.name


def test_killed():
    process = multiprocessing.Process(target=print)
    process.start()
    process.terminate()
    process.join()
    assert process.exitcode == -15


def test_alive():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
    assert thread.name
    assert not thread.is_alive()


class CaseTest(unittest.TestCase):
    def test_alive(self):
        thread = threading.Thread(target=print)
        thread.start()
        thread.join()
        self.assertFalse(thread.is_alive())

    def test_exit_code(self):
        process = multiprocessing.Process(target=print)
        process.start()
        process.join()
        self.assertEqual(process.exitcode, 0)


def test_another_one():
    one, other = threading.Thread(target=print), threading.Thread(target=print)
    one.start()
    one.join()
    assert not other.is_alive()


def test_failed():
    """`None != 0`: this passes while it is alive."""
    process = multiprocessing.Process(target=print)
    process.start()
    process.join()
    assert process.exitcode != 0


def test_too_late():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
    print("joined")
    assert not thread.is_alive()
