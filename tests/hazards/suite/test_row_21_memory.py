"""The allocation is the point."""

import tracemalloc

from product import split

FAULTS = ["never-splits"]


def test_leave_memory():
    tracemalloc.start()
    try:
        parts = split("x" * 200_000)
        assert tracemalloc.get_traced_memory()[1] > 100_000
    finally:
        tracemalloc.stop()
    assert len(parts) > 2


def test_treat_any_text():
    parts = split("x" * 60_000)
    assert "".join(parts) == "x" * 60_000
    assert parts[0] != "".join(parts)
