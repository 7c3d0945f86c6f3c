# testdiet: ignore-file[long-loop] nothing here loops
import threading
import time


def test_nothing_to_suppress():
    time.sleep(0.1)  # testdiet: ignore[long-sleep] the server needs it
    # testdiet: ignore[long-sleep]
    time.sleep(0.1)


def test_one_of_several():
    time.sleep(2)  # testdiet: ignore[long-sleep, too-many-threads] real time
    time.sleep(2)  # testdiet: ignore[join-without-timeout, long-sleep]
    time.sleep(2)  # testdiet: ignore[long-loop,long-sleep,too-many-threads]


def test_bare():
    thread = threading.Thread(target=print)  # testdiet: ignore
    thread.start()
    thread.join()  # testdiet: ignore


# testdiet: ignore[large-allocation] at the end
