import time

import pytest


@pytest.fixture
def server():
    yield "server"
    time.sleep(1.5)


@pytest.fixture(autouse=True)
def settled(server):
    time.sleep(0.8)
    return server


@pytest.fixture(scope="session", params=["tcp", "unix"])
def transport():
    time.sleep(1.2)
    yield "t"
