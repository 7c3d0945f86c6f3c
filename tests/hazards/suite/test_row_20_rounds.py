"""A number of rounds for statistics or collisions."""

import random
import uuid

from product import Counter

FAULTS = ["broken-check"]


def test_leave_collisions():
    counter = Counter()
    counter.check()
    assert len({uuid.uuid4() for _ in range(20_000)}) == 20_000


def test_leave_random():
    counter = Counter()
    counter.check()
    assert 0.4 < sum(random.random() for _ in range(20_000)) / 20_000 < 0.6


def test_treat_plain_rounds():
    counter = Counter()
    for _ in range(20_000):
        counter.check()
    assert counter.value == 0
