import time

from app import Client


def test_expires():
    client = Client("localhost")
    time.sleep(6.0)
    assert client.host
