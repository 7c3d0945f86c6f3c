import contextlib
import threading
import unittest


class Case(unittest.TestCase):
    def test_cleanup(self):
        thread = threading.Thread(target=print)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(", ".join)
        self.addCleanup(thread.join, 5)


def test_stack(request):
    thread = threading.Thread(target=print)
    thread.start()
    request.addfinalizer(thread.join)
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join)
