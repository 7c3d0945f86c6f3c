"""A size that crosses a threshold of the product."""

from product import split

FAULTS = ["never-splits"]


def test_treat_far_above():
    assert len(split("x" * 100_000)) > 1


def test_leave_boundary():
    assert len(split("x" * 65_537)) == 66


def test_leave_compared_in_a_comment():
    data = "x" * 50_000  # well over the limit of a part
    assert len(split(data)) > 1


def test_leave_divided_by_its_length():
    block = "x" * 40_000
    data = block * (200_000 // len(block))
    assert len(split(data)) == 200
