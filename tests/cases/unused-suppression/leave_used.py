import threading
import time


def test_same_line():
    time.sleep(2)  # testdiet: ignore[long-sleep] real time is the point


def test_line_above():
    # testdiet: ignore[long-sleep] real time is the point,
    # as the specification says
    time.sleep(2)


def test_several_lines():
    time.sleep(
        2,  # testdiet: ignore[long-sleep]
    )
    time.sleep(
        2
    )  # testdiet: ignore[long-sleep]


def test_bare():
    time.sleep(2)  # testdiet: ignore


def test_several_rules():
    # testdiet: ignore[too-many-threads, join-without-timeout]
    [t.join() for t in [threading.Thread() for _ in range(10)]]


def test_text():
    assert "# testdiet: ignore[long-sleep]"
    # testdiet: ignored[long-sleep] is no suppression, and neither is noqa: testdiet
