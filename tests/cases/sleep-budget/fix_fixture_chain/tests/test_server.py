def test_server(server):
    assert server
