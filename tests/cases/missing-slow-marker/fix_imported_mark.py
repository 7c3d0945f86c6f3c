import random
from pytest import mark


@mark.parametrize("seed", [1])
def test_is_fair(seed):
    random.seed(seed)
    heads = 0
    for _ in range(100_000):
        heads += random.random() < 0.5
    assert 49_000 < heads < 51_000
