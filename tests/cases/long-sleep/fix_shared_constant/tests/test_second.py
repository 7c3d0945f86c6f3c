import helpers


def test_second(server):
    server.push()
    helpers.settle()
    assert server.pushed
