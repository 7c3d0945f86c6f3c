from workers import Worker
from workers import *


def test_imported():
    worker = Worker()
    worker.start()
    worker.join()


def test_fixture(worker):
    worker.join()
