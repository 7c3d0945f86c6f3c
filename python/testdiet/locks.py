"""Locks and queues whose waits the clock sees. Each wraps the real one, which alone decides who has it.

An uncontended operation asks the real object and nobody else. A thread that would block registers its wait and tries once
more, so that a release which looked a moment too early is not missed. Threads that the clock does not know block really.

PYTEST_DONT_REWRITE
"""

import _queue
import _thread
import threading
from collections import deque

from testdiet.clock import Real, Wait, clock

_LockType = type(_thread.allocate_lock())
_RLockType = type(_thread.RLock())


class _Disguise(type):
    """The real objects, made before the clock was there, are instances of the replacement too."""

    def __instancecheck__(cls, instance):
        return type.__instancecheck__(cls, instance) or isinstance(instance, cls._real)


class _Contended:
    """What waits for an object, and who is woken when it may be had again."""

    __slots__ = ("_raw", "_waiters", "__weakref__")

    def _await(self, timeout, attempt, again):
        """Waits until ``attempt`` succeeds: True, or False once ``timeout`` seconds are over; None: wait really."""
        state = clock.current()
        if state is None or not clock.installed:
            return None
        deadline = None if timeout is None else clock.now_ns() + int(timeout * 1e9)
        first = True
        while True:
            wait = Wait(state)
            # A thread that was woken and came too late keeps its place.
            (self._waiters.append if first else self._waiters.appendleft)(wait)
            left = None if deadline is None else max(0.0, (deadline - clock.now_ns()) / 1e9)
            try:
                # One that was woken before it waited has lost its place, so it must not wait.
                woken = clock.park(wait, left if not first else timeout, lambda: attempt() or wait.notified)
            except BaseException:
                self._abandon(wait)
                raise
            self._drop(wait)
            if woken is None:
                return None
            if again():
                return True
            if not woken:
                return False
            first = False

    def _drop(self, wait):
        try:
            self._waiters.remove(wait)
        except ValueError:
            pass

    def _abandon(self, wait):
        """The waiter leaves with an exception; if it was woken, somebody else has to be."""
        self._drop(wait)
        self._pass_on()

    def _pass_on(self):
        while self._waiters:
            try:
                wait = self._waiters.popleft()
            except IndexError:
                return
            wait.notified = True
            if clock.wake(wait):
                return

    def __reduce_ex__(self, protocol):
        raise TypeError(f"cannot pickle '{self._real.__module__}.{self._real.__name__}' object")

    def __repr__(self):
        return repr(self._raw)


class _Acquired(_Contended):
    """What ``Lock`` and ``RLock`` share: taken at once where that goes, else waited for."""

    __slots__ = ()

    @property
    def __class__(self):
        return self._real

    def acquire(self, blocking=True, timeout=-1):
        if timeout != -1:
            _check(blocking, timeout)
        if self._raw.acquire(False):
            return True
        if not blocking or timeout == 0:
            return False
        return self._acquire_contended(timeout)

    def _acquire_contended(self, timeout):
        held = False

        def attempt():
            nonlocal held
            held = self._raw.acquire(False)
            return held

        got = self._await(None if timeout == -1 else timeout, attempt, lambda: held or attempt())
        return self._raw.acquire(True, timeout) if got is None else got

    def __enter__(self):
        if not self._raw.acquire(False):
            self._acquire_contended(-1)
        return True


class Lock(_Acquired, metaclass=_Disguise):
    """``threading.Lock``."""

    __slots__ = ()
    _real = _LockType

    def __init__(self):
        self._raw = _thread.allocate_lock()
        self._waiters = deque()

    def release(self):
        self._raw.release()
        if self._waiters:
            self._pass_on()

    def locked(self):
        return self._raw.locked()

    def __exit__(self, *exception):
        self._raw.release()
        if self._waiters:
            self._pass_on()

    # A Condition asks the lock itself for these three where it has them, which takes fewer calls.

    def _is_owned(self):
        return self._raw.locked()

    def _release_save(self):
        self._raw.release()
        if self._waiters:
            self._pass_on()

    def _acquire_restore(self, saved):
        if not self._raw.acquire(False):
            self._acquire_contended(-1)

    def _at_fork_reinit(self):
        self._raw._at_fork_reinit()
        self._waiters.clear()

    acquire_lock, release_lock, locked_lock = _Acquired.acquire, release, locked


class RLock(_Acquired, metaclass=_Disguise):
    """``threading.RLock``, which owns and counts; only the waiting is ours."""

    __slots__ = ()
    _real = _RLockType

    def __init__(self):
        self._raw = _thread.RLock()
        self._waiters = deque()

    def release(self):
        self._raw.release()
        if self._waiters and not self._raw._is_owned():
            self._pass_on()

    def __exit__(self, *exception):
        self.release()

    def _is_owned(self):
        return self._raw._is_owned()

    def _recursion_count(self):
        return self._raw._recursion_count()

    def _release_save(self):
        saved = self._raw._release_save()
        if self._waiters:
            self._pass_on()
        return saved

    def _acquire_restore(self, saved):
        # The real one would block where nobody sees it.
        self.__enter__()
        for _ in range(saved[0] - 1):
            self._raw.acquire()

    def _at_fork_reinit(self):
        self._raw._at_fork_reinit()
        self._waiters.clear()

    if hasattr(_RLockType, "locked"):

        def locked(self):
            return self._raw.locked()


def _check(blocking, timeout):
    """The real locks' complaints about their arguments, made before anything is acquired."""
    if not blocking:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")


class SimpleQueue(_Contended, metaclass=_Disguise):
    """``queue.SimpleQueue``: the one of C, so that a signal handler may put into it; only the waiting is ours."""

    __slots__ = ()
    _real = _queue.SimpleQueue

    def __init__(self):
        self._raw = _queue.SimpleQueue()
        self._waiters = deque()

    @property
    def __class__(self):
        return self._real

    def __class_getitem__(cls, item):
        return cls._real[item]

    def put(self, item, block=True, timeout=None):
        self._raw.put(item)
        if self._waiters:
            self._pass_on()

    def put_nowait(self, item):
        self.put(item)

    def get(self, block=True, timeout=None):
        if not block:
            return self._raw.get_nowait()
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        try:
            return self._raw.get_nowait()
        except _queue.Empty:
            pass
        taken = []

        def attempt():
            try:
                taken.append(self._raw.get_nowait())
            except _queue.Empty:
                return False
            return True

        got = self._await(timeout, attempt, lambda: bool(taken) or attempt())
        if got is None:
            return self._raw.get(True, timeout)
        if not got:
            raise _queue.Empty
        return taken[0]

    def get_nowait(self):
        return self._raw.get_nowait()

    def empty(self):
        return self._raw.empty()

    def qsize(self):
        return self._raw.qsize()


def condition_wait(self, timeout=None):
    """``Condition.wait``, and so Event, Queue, Semaphore, Barrier, Timer and Future."""
    state = clock.current()
    if state is None or not clock.installed or type(self).notify is not threading.Condition.notify:
        return Real.condition_wait(self, timeout)
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    if timeout is not None and timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    wait = Wait(state)
    self._waiters.append(wait)
    saved = self._release_save()
    got = False
    try:
        if timeout is not None and timeout <= 0:
            # Nothing to wait for, but whoever wanted the lock had its chance.
            got = wait.notified
        else:
            got = clock.park(wait, timeout, lambda: wait.notified)
            if got is None:
                got = _poll(wait, timeout)
        return got
    finally:
        self._acquire_restore(saved)
        if not got:
            try:
                self._waiters.remove(wait)
            except ValueError:
                pass


def _poll(wait, timeout):
    """A wait of code that interrupted the clock itself: a signal handler's, or a ``__del__``'s."""
    end = None if timeout is None else Real.monotonic() + timeout
    while not wait.notified:
        if end is not None and Real.monotonic() >= end:
            return False
        Real.sleep(0.001)
    return True
