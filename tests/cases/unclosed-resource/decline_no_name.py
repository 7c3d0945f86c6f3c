import sqlite3


def test_read(tmp_path):
    assert open(tmp_path / "log").read() == ""


def helper():
    probe = sqlite3.connect(":memory:")
    print(probe.total_changes)


def test_port():
    helper()
