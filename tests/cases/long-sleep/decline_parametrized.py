"""One name, several values (HAZARDS row 22)."""
import time

import pytest


@pytest.mark.parametrize("delay", [0.1, 1.5, 3])
def test_waits(delay, timer):
    timer.start()
    time.sleep(delay)
    assert timer.elapsed >= delay
