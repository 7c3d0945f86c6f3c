"""Each value is another wait: they are no one number."""
import time


def test_backoff(client):
    for delay in (0.1, 0.2, 0.4):
        client.fail()
        time.sleep(delay)
    assert client.attempts == 3
