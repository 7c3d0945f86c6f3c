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
