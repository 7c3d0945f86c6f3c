import socket
import subprocess
import time
import urllib.request

SETTLE = 2.0


def test_child():
    child = subprocess.Popen(["true"])
    time.sleep(1.5)
    time.sleep(SETTLE)
    assert child.poll() == 0


def test_peer():
    peer = socket.create_connection(("localhost", 8000))
    time.sleep(1.6)
    time.sleep(SETTLE)
    assert peer.recv(1)


def test_page():
    page = urllib.request.urlopen("http://localhost:8000")
    time.sleep(1.7)
    time.sleep(SETTLE)
    assert page.status == 200


def test_random():
    started = time.localtime()
    if time.localtime().tm_sec > 57:
        time.sleep(SETTLE)
    assert started
