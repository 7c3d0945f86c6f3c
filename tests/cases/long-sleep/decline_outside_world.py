"""How long these take, no number in the test says (HAZARDS rows 10, 14, 25)."""
import os
import signal
import socket
import subprocess
import sys
import time


def test_child_process():
    process = subprocess.Popen([sys.executable, "-m", "http.server", "8123"])
    time.sleep(2)
    assert process.poll() is None
    process.kill()


def test_network(server):
    connection = socket.create_connection(("127.0.0.1", server.port))
    time.sleep(2)
    assert connection.recv(1)


def test_file_times(tmp_path, watcher):
    path = tmp_path / "a"
    path.write_text("1")
    before = os.path.getmtime(path)
    time.sleep(1.1)
    path.write_text("2")
    assert os.path.getmtime(path) > before


def test_alarm(handler):
    signal.alarm(1)
    time.sleep(2)
    assert handler.called


def test_access_time(tmp_path, product):
    path = tmp_path / "a"
    before = path.stat().st_atime
    time.sleep(1)
    product.read(path)
    assert path.stat().st_atime > before
