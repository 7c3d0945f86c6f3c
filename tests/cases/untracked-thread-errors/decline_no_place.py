import threading


def shared_worker(cache):
    cache.check()


def test_worker_elsewhere(cache):
    thread = threading.Thread(target=shared_worker, args=(cache,))
    thread.start()
    thread.join(timeout=5)


def test_never_joined(cache):
    def worker():
        cache.check()

    threading.Thread(target=worker).start()


def test_text_over_lines(cache):
    def work():
        cache.parse("""
        one
        two
        """)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5)


def test_names_taken(cache):
    errors = thread_errors = worker_errors = None
    assert not (errors or thread_errors or worker_errors)

    def other():
        cache.check()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(timeout=5)


def test_one_line(cache):
    def work(): cache.check()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5)


def test_called_directly(cache):
    def work():
        cache.check()

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5)
