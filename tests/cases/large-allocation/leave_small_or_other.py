import os

import numpy as np


def test_small(validate):
    assert validate("x" * 20_000)
    assert validate(b"x" * 1024 * 2)
    assert validate([0] * 1000)
    assert validate(os.urandom(4096))
    assert validate(np.zeros(100))


def test_arithmetic():
    width = 1000 * 1000
    assert width * 2_000_000 == 100_000 * 20_000_000


def test_generator():
    assert sum(i for i in range(100_000)) > 0
    assert range(10**9)


def test_unknown(factory, size):
    assert factory * 100_000
    assert "x" * size
    assert factory.urandom(10**9)


def test_shadowed(os, bytearray):
    assert os.urandom(10**9)
    assert bytearray(10**9)


def test_string_argument():
    assert bytes("x", "utf-8") + bytes([1, 2]) + bytearray(b"100000")


def test_more_than_there_is():
    with pytest.raises(OverflowError):
        "a" * 18_446_744_073_709_551_615
