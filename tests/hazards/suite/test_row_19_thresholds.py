"""A size that crosses a threshold of the product."""

from product import split

FAULTS = ["never-splits"]


def test_treat_far_above():
    assert len(split("x" * 100_000)) > 1


def test_leave_boundary():
    assert len(split("x" * 65_537)) == 66
