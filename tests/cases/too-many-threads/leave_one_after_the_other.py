"""Threads that are over when the helper that starts them returns do not add up over its calls."""

import threading


def try_once(target):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_many_calls(server):
    try_once(server.ping)
    try_once(server.ping)
    try_once(server.ping)
    try_once(server.ping)
    try_once(server.ping)
    try_once(server.ping)
    try_once(server.ping)


def test_many_rounds(server):
    for _ in range(20):
        try_once(server.ping)


class Server(threading.Thread):
    def run(self):
        while self.accept():
            handler = threading.Thread(target=self.serve)
            handler.start()
            handler.join()

    def accept(self):
        return None

    def serve(self):
        pass


def test_a_server_for_each():
    for _ in range(8):
        server = Server()
        server.start()
        server.join()
