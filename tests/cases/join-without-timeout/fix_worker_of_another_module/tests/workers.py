import threading


class Base(threading.Thread):
    """A thread that is one because of its base."""


class Worker(Base):
    def run(self):
        self.done = True


def spawn(n) -> "list[Worker]":
    return [Worker() for _ in range(n)]
