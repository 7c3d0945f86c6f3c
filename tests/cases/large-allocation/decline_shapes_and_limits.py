"""An array of a given shape has so many elements and no fewer; data beyond a limit that the test sets stays beyond it."""
import numpy as np


def test_cube():
    a = np.arange(30000).reshape((1000, 5, 6))
    assert a.sum() > 0


def test_throttled(server, client):
    server.write_limit = 32768
    data = b"abcde12345" * 100000
    client.put(data)
    assert client.get() == data
