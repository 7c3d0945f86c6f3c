import multiprocessing
import threading


def test_alive():
    thread = threading.Thread(target=print)
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_exitcode():
    process = multiprocessing.Process(target=print)
    process.join(timeout=5)
    assert process.exitcode == 0


def test_without_timeout():
    thread = threading.Thread(target=print)
    thread.join()


def test_other():
    assert "-".join(["a"])


def test_joined_again():
    thread = threading.Thread(target=print)
    thread.start()
    thread.join(0.5)
    print("it has had some time")
    thread.join()


def test_what_it_does_last_is_asserted(server):
    received = []

    def reader():
        server.wait()
        received.append(server.read())

    thread = threading.Thread(target=reader)
    thread.start()
    thread.join(timeout=2)
    server.close()
    assert len(received) == 1


def test_its_answer_is_asserted(server):
    answers = {}

    def ask():
        answers["first"] = server.ask()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(2)
    assert answers["first"].startswith("200")


def make_joiner():
    thread = threading.Thread(target=print)

    def joiner(timeout=1.0):
        thread.join(timeout=timeout)

    def is_alive():
        return thread.is_alive()

    return joiner, is_alive
