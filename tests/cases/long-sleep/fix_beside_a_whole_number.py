"""A timeout in seconds explains the sleep, so that the thousand beside it is no reason to look for milliseconds."""
import time

from library import Session


def test_seconds_explain_the_sleep():
    session = Session(timeout=2.0, max_age=1000)
    time.sleep(2.5)
    assert session.silent
