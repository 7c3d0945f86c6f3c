"""Errors of workers are collected, and asserted after the joins."""

import threading

from product import Counter

# Without the assertion nobody sees it: caught afterwards only.
FAULTS = ["+broken-check"]


def test_treat_unseen():
    counter = Counter()

    def work():
        counter.check()
        counter.add()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_leave_seen():
    counter = Counter()
    errors = []

    def work():
        try:
            counter.check()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert not errors
