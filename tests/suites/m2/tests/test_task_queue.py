"""The queue holds what is to be done next, and takes back what nobody finished."""

import queue
import threading
from threading import Thread
from time import sleep

import pytest

from m2 import LeaseExpired, TaskQueue

LEASE = 1.0
NUM_WORKERS = 4
NUM_TASKS = 20


def drain(tasks, done, errors=None):
    """What the workers run: take until there is nothing left."""
    try:
        while True:
            lease = tasks.take()
            if lease is None:
                return
            done.append(lease.task.payload)
            tasks.ack(lease)
    except Exception as error:
        if errors is None:
            raise
        errors.append(error)


def test_first_in_first_out():
    tasks = TaskQueue()
    for payload in ("a", "b", "c"):
        tasks.put(payload)
    assert ", ".join(tasks.take().task.payload for _ in range(3)) == "a, b, c"
    assert tasks.take() is None


def test_lower_priority_first():
    tasks = TaskQueue()
    tasks.put("later", priority=5)
    tasks.put("sooner", priority=1)
    assert tasks.take().task.payload == "sooner"


def test_failed_task_comes_back_until_it_is_dead():
    tasks = TaskQueue(max_attempts=2)
    tasks.put("flaky")
    tasks.nack(tasks.take())
    assert len(tasks) == 1
    tasks.nack(tasks.take())
    assert len(tasks) == 0
    assert [task.payload for task in tasks.dead] == ["flaky"]


def test_lease_expires():
    tasks = TaskQueue(lease=1.0)
    tasks.put("job")
    lost = tasks.take()
    assert tasks.take() is None
    sleep(1.2)
    again = tasks.take()
    assert again.task.attempts == 2
    with pytest.raises(LeaseExpired):
        tasks.ack(lost)
    tasks.ack(again)


def test_renewed_lease_does_not_expire():
    tasks = TaskQueue()
    tasks.put("long job")
    lease = tasks.take()
    sleep(0.7)
    tasks.renew(lease)
    sleep(0.7)
    assert tasks.take() is None, "lost although it was renewed"
    tasks.ack(lease)


def test_take_waits_for_a_task():
    tasks = TaskQueue(lease=LEASE)
    taken = []
    taker = Thread(target=lambda: taken.append(tasks.take(timeout=30)))
    taker.start()
    sleep(0.1)
    assert taken == []
    tasks.put("at last")
    taker.join()
    assert taken[0].task.payload == "at last"


def test_workers_share_the_tasks():
    tasks, done, errors = TaskQueue(), [], []
    for number in range(NUM_TASKS):
        tasks.put(number)
    workers = [Thread(target=drain, args=(tasks, done, errors)) for _ in range(NUM_WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert sorted(done) == list(range(NUM_TASKS))


def test_join_waits_for_every_task():
    tasks, done = TaskQueue(lease=30), []

    def work_slowly():
        while True:
            lease = tasks.take()
            if lease is None:
                return
            sleep(0.05)
            done.append(lease.task.payload)
            tasks.ack(lease)

    for number in range(5):
        tasks.put(number)
    worker = Thread(target=work_slowly, daemon=True)
    worker.start()
    tasks.join()
    assert len(done) == 5
    worker.join()


def test_results_through_a_queue():
    tasks, results, received = TaskQueue(), queue.Queue(), []

    def collect():
        while True:
            received.append(results.get())
            results.task_done()

    Thread(target=collect, daemon=True).start()
    for number in range(3):
        tasks.put(number)
        results.put(tasks.take().task.payload)
    results.join()
    assert received == [0, 1, 2]


class TestProducers:
    def setup_method(self):
        self.tasks = TaskQueue()
        self.ready = threading.Event()

    def produce(self):
        assert self.ready.wait(timeout=5)
        for _ in range(5):
            self.tasks.put("job")
            sleep(0)

    def test_nothing_is_lost(self):
        self.producers = [Thread(target=self.produce) for _ in range(8)]
        for producer in self.producers:
            producer.start()
        self.ready.set()
        for producer in self.producers: producer.join()
        assert len(self.tasks) == 40
