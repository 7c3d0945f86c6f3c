"""The number stands elsewhere, and nothing in the file but its name is near the list."""

ROWS: int = 50_000


def test_list(validate):
    assert validate(list(range(ROWS))).ok


def test_comprehension(validate):
    assert validate([str(row) for row in range(ROWS)]).ok
