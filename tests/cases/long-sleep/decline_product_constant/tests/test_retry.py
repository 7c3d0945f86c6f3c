import time

from app.limits import RETRY_AFTER


def test_retries(client):
    client.fail()
    time.sleep(RETRY_AFTER)
    assert client.retried
