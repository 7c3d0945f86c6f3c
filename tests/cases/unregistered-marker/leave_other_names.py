"""Names that are no marks, and marks of other names."""

import pytest


class Mode:
    slow = 1


class mark:
    slow = 2


@pytest.mark.slowest
def test_modes():
    assert Mode.slow != mark.slow
