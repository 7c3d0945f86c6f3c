import time


def test_plain():
    time.sleep(2)
