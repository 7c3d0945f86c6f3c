import socket


def test_read(tmp_path):
    assert open(tmp_path / "log").read() == ""


def helper():
    probe = socket.socket()
    print(probe.getsockname())


def test_port():
    helper()
