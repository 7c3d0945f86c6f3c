import time

SETTLE = 2.0


def settle(seconds=SETTLE):
    time.sleep(seconds)
