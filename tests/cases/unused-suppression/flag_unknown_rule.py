import time


def test_misspelt():
    time.sleep(2)  # testdiet: ignore[long-slep]
    time.sleep(2)  # testdiet: ignore[long_sleep]
    time.sleep(2)  # testdiet: ignore[long-sleep, E501]
