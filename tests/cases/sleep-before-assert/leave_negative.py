import time


def test_nothing_happens(worker):
    time.sleep(0.5)
    assert not worker.finished
    time.sleep(0.5)
    assert worker.finished == []
    time.sleep(0.5)
    assert worker.count == 0
    time.sleep(0.5)
    assert worker.error is None
    time.sleep(0.5)
    assert "job" not in worker.log
    time.sleep(0.5)
    assert worker.count < 3


def test_goes_on(worker):
    time.sleep(0.5)
    assert worker.is_alive()
    time.sleep(0.5)
    assert worker.running


def test_one_of_them_negative(worker):
    time.sleep(0.5)
    assert worker.finished == ["job"]
    assert not worker.failed


def test_time(worker):
    time.sleep(0.5)
    assert worker.elapsed >= 0.5


def test_too_short(worker):
    time.sleep(0.01)
    assert worker.finished == ["job"]


def test_something_between(worker):
    time.sleep(0.5)
    worker.flush()
    assert worker.finished == ["job"]


def test_poll(worker):
    while True:
        time.sleep(0.1)
        assert worker.finished == ["job"]


def test_stays(worker):
    assert worker.count == 1
    time.sleep(0.5)
    assert worker.count == 1


def test_action(limiter):
    time.sleep(0.5)
    assert limiter.hit("key")


def test_plain_value(worker):
    result = worker.result()
    time.sleep(0.5)
    assert result is not None


def test_does_not_trigger_update(worker):
    worker.poke()
    time.sleep(0.5)
    assert worker.updates == ["first"]


def test_expire_with_0(cache):
    cache.expire("key", 0)
    time.sleep(1.1)
    assert cache.exists("key") is True


def test_waited_for_before(server, path):
    for _ in range(50):
        if path.exists():
            break
        time.sleep(0.01)
    time.sleep(0.2)
    assert path.exists()


def test_waited_for_before_in_a_while(server):
    while not server.ready:
        time.sleep(0.01)
    time.sleep(0.2)
    assert server.ready
