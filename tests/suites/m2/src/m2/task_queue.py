"""Hold what is to be done next, and hand it out to workers."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any


class LeaseExpired(Exception):
    """The lease ran out, or the task was settled, before the worker came back."""


@dataclass
class Task:
    """Something to do; ``attempts`` counts how often it was handed out."""

    id: int
    payload: Any
    priority: int = 0
    attempts: int = 0


@dataclass(frozen=True)
class Lease:
    """The right to work on a task until the lease runs out."""

    task: Task
    token: int


class TaskQueue:
    """A priority queue whose tasks come back when a worker does not.

    :meth:`take` lends a task for ``lease`` seconds. A worker that neither
    acknowledges nor renews in time loses it, and it is handed out again, at
    most ``max_attempts`` times; then it is among the :attr:`dead` ones.
    """

    def __init__(self, lease: float = 1.0, max_attempts: int = 3) -> None:
        if lease <= 0 or max_attempts < 1:
            raise ValueError("lease and max_attempts must be positive")
        self.lease = lease
        self.max_attempts = max_attempts
        self._ids = itertools.count(1)
        self._tokens = itertools.count(1)
        self._ready: list[tuple[int, int, Task]] = []
        self._lent: dict[int, tuple[Task, float]] = {}
        self._dead: list[Task] = []
        self._changed = threading.Condition()

    def put(self, payload: Any, priority: int = 0) -> Task:
        """Add a task; a lower priority is handed out sooner, equal ones in order."""
        task = Task(next(self._ids), payload, priority)
        with self._changed:
            self._push(task)
        return task

    def take(self, timeout: float = 0.0) -> Lease | None:
        """Borrow the next task; ``None`` if there was none within ``timeout``."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                now = time.monotonic()
                self._reclaim(now)
                if self._ready:
                    return self._lend(now)
                if now >= deadline:
                    return None
                ends = [end for _, end in self._lent.values()]
                self._changed.wait(min([deadline, *ends]) - now)

    def ack(self, lease: Lease) -> None:
        """The task is done."""
        with self._changed:
            self._give_back(lease)
            self._changed.notify_all()

    def nack(self, lease: Lease) -> None:
        """The task failed: hand it out again, or bury it."""
        with self._changed:
            self._retry(self._give_back(lease))

    def renew(self, lease: Lease) -> None:
        """Borrow the task for another full lease, from now."""
        with self._changed:
            task = self._give_back(lease)
            self._lent[lease.token] = (task, time.monotonic() + self.lease)

    def join(self) -> None:
        """Block until every task is acknowledged or dead."""
        with self._changed:
            while self._ready or self._lent:
                ends = [end for _, end in self._lent.values()]
                self._changed.wait(max(0.0, min(ends) - time.monotonic()) if ends else None)
                self._reclaim(time.monotonic())

    @property
    def dead(self) -> list[Task]:
        """The tasks that were given up."""
        with self._changed:
            self._reclaim(time.monotonic())
            return list(self._dead)

    def __len__(self) -> int:
        """The number of tasks that could be taken now."""
        with self._changed:
            self._reclaim(time.monotonic())
            return len(self._ready)

    def _push(self, task: Task) -> None:
        heapq.heappush(self._ready, (task.priority, task.id, task))
        self._changed.notify_all()

    def _lend(self, now: float) -> Lease:
        _, _, task = heapq.heappop(self._ready)
        task.attempts += 1
        lease = Lease(task, next(self._tokens))
        self._lent[lease.token] = (task, now + self.lease)
        return lease

    def _give_back(self, lease: Lease) -> Task:
        self._reclaim(time.monotonic())
        try:
            task, _ = self._lent.pop(lease.token)
        except KeyError:
            raise LeaseExpired(f"task {lease.task.id} is no longer on loan") from None
        return task

    def _reclaim(self, now: float) -> None:
        for token in [token for token, (_, end) in self._lent.items() if end <= now]:
            task, _ = self._lent.pop(token)
            self._retry(task)

    def _retry(self, task: Task) -> None:
        if task.attempts < self.max_attempts:
            self._push(task)
        else:
            self._dead.append(task)
            self._changed.notify_all()
