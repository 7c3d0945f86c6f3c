import time

import pytest


def test_shrinks():
    time.sleep(2)


def test_cannot_shrink(durations):
    time.sleep(2)
    assert durations.slept == pytest.approx(2, abs=0.1)
