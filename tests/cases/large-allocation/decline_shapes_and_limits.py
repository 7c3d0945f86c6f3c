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


def test_drained(server):
    body = b"x" * (128 * 1000)  # well over what is drained at once
    server.handle(body)
    assert server.closed


def get_large_object():
    result = b"x" * 500_000
    return result


def test_returned(run):
    assert run(get_large_object)


def test_upload(ftp, files):
    data = b"abcde12345" * 100_000
    ftp.storbinary("STOR a", files.of(data))
    assert files.read("a") == data
