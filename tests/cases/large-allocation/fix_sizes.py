import os
import random
import secrets

import numpy as np

SIZE = 100_000
LINE = "0123456789"
COPIES = 10_000


def test_string(validate):
    response = "x" * 100_000
    assert validate(response).length == 100_000


def test_bytes(validate):
    assert validate(b"\0" * SIZE).length == SIZE


def test_other_way_round(validate):
    assert validate(100_000 * "x").ok


def test_unit_counts(validate):
    assert validate(LINE * 10_000).ok


def test_only_names(validate):
    assert validate(LINE * COPIES).ok


def test_list(validate):
    assert validate([0] * 50_000).ok
    assert validate(50_000 * [None]).ok


def test_bytearray(validate):
    assert validate(bytearray(200000)).ok


def test_shift(validate):
    assert validate(bytes(1 << 20)).ok


def test_power(validate):
    assert validate("y" * 10**6).ok


def test_entropy(validate):
    data = os.urandom(60_000)
    assert validate(data).ok


def test_token(validate):
    assert validate(secrets.token_bytes(nbytes=60_000)).ok


def test_numpy(validate):
    assert validate(np.zeros(100_000)).ok


def test_range(validate):
    assert validate(list(range(100_000))).ok


def test_comprehension(validate):
    assert validate([str(i) for i in range(100_000)]).ok
