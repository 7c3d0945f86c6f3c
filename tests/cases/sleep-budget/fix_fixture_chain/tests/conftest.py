"""Each fixture sleeps a little, the test that gets them all does too."""
import time

import pytest


@pytest.fixture
def network():
    time.sleep(0.2)
    yield "network"
    time.sleep(0.2)


@pytest.fixture(name="server")
def make_server(network):
    time.sleep(0.3)
    return network
