import multiprocessing
import threading
import unittest


def run(thread):
    thread.start()
    thread.join(5)


def test_joined(server):
    thread = threading.Thread(target=server.ping)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_joined_by_others(server):
    thread = threading.Thread(target=server.ping)
    run(thread)
    other = threading.Thread(target=server.ping)
    other.start()
    server.join_all(other)


def test_many(server):
    threads = [threading.Thread(target=server.ping) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)


def test_many_appended(server):
    threads = []
    for _ in range(3):
        thread = threading.Thread(target=server.ping)
        threads.append(thread)
        thread.start()
    [thread.join(5) for thread in threads]


def test_given(thread_from_a_fixture, process):
    thread_from_a_fixture.start()
    process.start()


def start_worker(server):
    thread = threading.Thread(target=server.ping)
    thread.start()
    return thread


class Case(unittest.TestCase):
    def setUp(self):
        self.timer = threading.Timer(60, print)
        self.timer.start()
        self.other = threading.Timer(60, print)
        self.other.start()
        self.addCleanup(self.other.cancel)

    def tearDown(self):
        self.timer.cancel()

    def test_nothing(self):
        self.assertTrue(self.timer)


def test_told_to_end(server):
    threading.Thread(target=server.run, daemon=True).start()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.join_all()


class Proxy:
    """Ends its own thread."""

    def __init__(self):
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        pass


class Inherits(Case):
    def setUp(self):
        self.timer = threading.Timer(60, print)
        self.timer.start()


def test_ended_by_a_function(join_process):
    process = multiprocessing.Process(target=print)
    process.start()
    join_process(process)


def test_waited_for_around(wait_threads_exit):
    with wait_threads_exit():
        threading.Thread(target=print).start()


class Pool:
    """Nothing stops it: it is over when `start` returns."""

    def start(self):
        thread = threading.Thread(target=print)
        thread.start()
        self.wait(thread)

    def wait(self, thread):
        thread.join()


def test_over_when_it_returns():
    pool = Pool()
    pool.start()


class Kept(unittest.TestCase):
    def setUp(self):
        self.timer = timer = threading.Timer(60, print)
        timer.start()

    def tearDown(self):
        self.timer.cancel()
