"""Names of other habits are read as well."""
import time


def test_a_timer_of_the_reactor(reactor, done):
    reactor.callLater(0.8, done.append, 1)
    time.sleep(1.2)
    assert done
