import time


def test_broken():
    time.sleep(2)
    if True
        pass
