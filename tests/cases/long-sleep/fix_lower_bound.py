"""`elapsed >= 2` shrinks with the sleep (HAZARDS row 4)."""
import time


def test_takes_as_long_as_it_should(stopwatch):
    start = time.monotonic()
    with stopwatch:
        time.sleep(2)
    elapsed = time.monotonic() - start
    assert elapsed >= 2
