"""Unsafe: the worker is not seen, or nothing ends the worker."""
import threading
import time

from app.server import Server, serve


def forever():
    time.sleep(3600)


def test_product():
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()


def test_method():
    server = Server()
    thread = threading.Thread(target=server.run)
    thread.start()
    thread.join()


def test_lambda():
    thread = threading.Thread(target=lambda: serve())
    thread.start()
    thread.join()


def test_forever():
    thread = threading.Thread(target=forever, daemon=True)
    thread.start()
    thread.join()
