"""What is slept is not known here: nothing is claimed."""
import random
import time


def test_jitter(config):
    time.sleep(random.random())
    time.sleep(config.delay)
    time.sleep(float(config["delay"]))
