# testdiet: ignore-file[long-sleep, join-without-timeout] a demonstration
import threading
import time


def test_slow():
    time.sleep(2)
    thread = threading.Thread(target=print)
    thread.join()
