def test_up(server):
    assert server


def test_over(transport):
    assert transport
