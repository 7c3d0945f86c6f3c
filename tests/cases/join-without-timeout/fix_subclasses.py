import multiprocessing
import threading


class Worker(threading.Thread):
    def __init__(self, number):
        super().__init__(daemon=True)
        self.number = number

    def run(self):
        self.number += 1


class Special(Worker):
    pass


class Child(multiprocessing.Process):
    def run(self):
        print("x")


def test_subclasses():
    workers = [Worker(1), Special(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    child = Child()
    child.start()
    child.join()
