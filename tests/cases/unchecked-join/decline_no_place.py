import threading


def test_index():
    threads = [threading.Thread(target=print)]
    threads[0].join(5)


def test_one_line():
    thread = threading.Thread(target=print); thread.join(5)
