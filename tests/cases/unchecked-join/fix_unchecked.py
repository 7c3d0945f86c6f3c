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
