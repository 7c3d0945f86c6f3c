import threading

import green

green.monkey_patch()


def test_join():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
