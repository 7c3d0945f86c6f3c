import multiprocessing as mp
import threading


class Worker(threading.Thread):
    def run(self):
        pass


def make():
    return [Worker() for _ in range(9)]


def test_subclass():
    for worker in make():
        worker.start()


def test_processes():
    context = mp.get_context("spawn")
    processes = [context.Process(target=print) for _ in range(6)]
    for process in processes:
        process.start()


def test_timers():
    timers = [threading.Timer(0.1, print) for _ in range(20)]
    for timer in timers:
        timer.start()
