import threading


def test_positional():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join(5)


def test_keyword():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join(timeout=5)  # seconds
    print("x")


class TestServer:
    def setup_method(self):
        self.thread = threading.Thread(target=print)

    def test_attribute(self):
        if self.thread:
            self.thread.join(1)


def test_what_it_does_first_is_asserted(server):
    received = []

    def reader():
        received.append(server.read())
        server.wait()

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join(timeout=2)
    assert len(received) == 1


def test_that_nothing_went_wrong_is_asserted(server):
    errors = []

    def reader():
        errors.append(server.read())

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join(timeout=2)
    assert not errors
