"""The number is a part of the size, or is told twice."""


def test_computed():
    parts = 10
    each = 10_000
    payload = b"x" * (parts * each)
    assert payload


def test_passed_on(read):
    assert read("x" * 100_000, 100_000)
