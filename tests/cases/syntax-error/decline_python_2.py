# Statements of Python 2.
import time


def test_old():
    time.sleep(2)
    try:
        raise ValueError, "x"
    except ValueError, e:
        print >>out, `e`
