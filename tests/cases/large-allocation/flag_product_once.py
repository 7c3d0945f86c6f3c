"""A product of several sizes is one allocation, told once."""


def test_large(pool):
    data = "a" * 1098 * 1024 * 100
    assert pool.schedule(data)
