"""A test sleeps 0.4 s, the tests of the file 6.4 s: parametrize multiplies."""
import time

import pytest

MODES = ["a", "b", "c", "d"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", range(4))
def test_modes(mode, size, server):
    server.push(mode, size)
    time.sleep(0.4)
    assert server.pushed


@pytest.mark.parametrize(("mode", "size"), [("a", 1), pytest.param("b", 2, id="b")])
def test_pairs(mode, size, server):
    server.push(mode, size)
    time.sleep(0.1)
