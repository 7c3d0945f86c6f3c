"""The assertion has no place, or would run code twice."""
import threading


def work():
    return 1


def test_result_is_used():
    thread = threading.Thread(target=work)
    assert thread.join() is None
    results = [thread.join() for _ in range(1)]
    assert results == [None]


def test_constructed_in_place():
    threading.Thread(target=work).join()


def test_popped():
    threads = [threading.Thread(target=work)]
    threads.pop().join()


def test_comment_between():
    thread = threading.Thread(target=work)
    thread.join(
        # as long as it takes
    )


def test_lambda(cleanup):
    thread = threading.Thread(target=work)
    cleanup.callback(lambda: thread.join())
