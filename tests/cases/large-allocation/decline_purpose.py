"""The syntax or the words around it say what the size is for."""
import sqlite3

import pytest

CASES = [
    pytest.param(
        "https://user:" + ("@" * 30000) + "example.com",
        "user:" + ("%40" * 29999),
        id="many",
    ),
]


@pytest.mark.parametrize("url, auth", CASES)
def test_table(url, auth, parse):
    assert parse(url).auth == auth


def test_answers_of_a_mock(mock, cache):
    mock.side_effect = [sqlite3.OperationalError] * 60000
    with pytest.raises(sqlite3.OperationalError):
        cache.reset()


def test_message(client):
    # Will exceed what is stored of one message.
    client.send("This is a very long message. " * 10_000)
    assert client.last.endswith("...")


def bomb(compressor, size):
    block = bytes(1000 * 1000)
    return b"".join(compressor.compress(block) for _ in range(size // len(block)))


def test_bomb(compressor, client):
    with pytest.raises(ValueError):
        client.send(bomb(compressor, 100_000_000))
