"""Virtual time for tests with real threads: pytest's plugin of testdiet in one file. Made by testdiet.vendor.

PYTEST_DONT_REWRITE
"""


# ---- real --------------------------------------------------------------------------------------------------------------------
import functools
import gc
import inspect
import os
import threading
import time


def _real_sleep():
    """``time.sleep`` itself, whatever stands for it by now."""
    builtin = type(time.monotonic)
    if not isinstance(time.sleep, builtin):
        for one in gc.get_objects():
            if type(one) is builtin and one.__self__ is time and one.__name__ == "sleep":
                return one
    return inspect.unwrap(time.sleep)


class Real:
    """The functions of the real clock, as they were before anything was replaced. For whoever must not be fooled.

    Those of the real system as well: a test may have put a file system of its own in their place, or forbidden to block.
    """

    sleep = staticmethod(_real_sleep())
    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)
    perf_counter = staticmethod(time.perf_counter)
    perf_counter_ns = staticmethod(time.perf_counter_ns)
    time_ns = staticmethod(time.time_ns)
    localtime = staticmethod(time.localtime)
    gmtime = staticmethod(time.gmtime)
    ctime = staticmethod(time.ctime)
    asctime = staticmethod(time.asctime)
    strftime = staticmethod(time.strftime)
    condition_wait = threading.Condition.wait
    thread_start = threading.Thread.start
    thread_join = threading.Thread.join
    bootstrap_inner = threading.Thread._bootstrap_inner
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    stat = staticmethod(os.stat)
    fstat = staticmethod(os.fstat)
    listdir = staticmethod(os.listdir)
    readlink = staticmethod(getattr(os, "readlink", None))
    # Last: from here on the name means this.
    time = staticmethod(time.time)


if hasattr(time, "clock_gettime_ns"):
    # time-machine 2 exchanges the code of time.monotonic itself while somebody travels.
    real_ns = functools.partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)
else:
    real_ns = time.monotonic_ns

thread_ns = time.thread_time_ns


_READ_ONLY = os.O_RDONLY


def contents(path):
    """What is in a file, as bytes; an OSError where it cannot be read."""
    descriptor = Real.open(path, _READ_ONLY)
    try:
        parts = []
        while not parts or parts[-1]:
            parts.append(Real.read(descriptor, 65536))
        return b"".join(parts)
    finally:
        Real.close(descriptor)


def scheduled(native_id):
    """What the operating system tells of a thread, by its number there: nanoseconds of CPU time, how often it was given a CPU, and whether
    it wants one now; None when it is gone, or the system does not tell."""
    try:
        used, _, times = map(int, contents(f"/proc/self/task/{native_id}/schedstat").split())
        # Runnable, or waiting for a disk, which ends by itself.
        runs = contents(f"/proc/self/task/{native_id}/stat").rpartition(b")")[2].split()[0] in (b"R", b"D")
    except (OSError, IndexError, ValueError):
        return None
    return used, times, runs


class OneCpu:
    """Has threads that wait woken on one CPU, where the system lets them choose: the one on which the test began.

    Who wakes another thread and then waits leaves a CPU idle while another one has to be roused: half of what a waking takes (21 of
    43 microseconds, measured). Nobody else sees it, as a thread that was woken may run wherever it might before.
    """

    def __init__(self):
        self._one = None
        # A test may replace those of `os`.
        self._get, self._set = getattr(os, "sched_getaffinity", None), getattr(os, "sched_setaffinity", None)

    def choose(self):
        """The CPU that runs the calling thread now is the one."""
        self._one = None
        try:
            if self._set is not None and len(self._get(0)) > 1:
                self._one = {int(contents("/proc/thread-self/stat").rpartition(b")")[2].split()[36])}
        except (OSError, IndexError, ValueError):
            pass

    def gather(self):
        """The calling thread is about to wait: what :meth:`scatter` has to know; None when nothing was changed."""
        one = self._one
        if one is None:
            return None
        try:
            anywhere = self._get(0)
            if not one < anywhere:
                return None
            self._set(0, one)
        except OSError:
            self._one = None
            return None
        return one, anywhere

    def scatter(self, gathered):
        """It has waited: it may run wherever it might before, unless somebody has said otherwise meanwhile."""
        one, anywhere = gathered
        try:
            if self._get(0) == one:
                self._set(0, anywhere)
        except OSError:
            pass


# ---- turns -------------------------------------------------------------------------------------------------------------------
import sys


#: Nanoseconds of its own that a thread which was woken may run before a deadline that real time brings wakes another one. What it
#: waits for a CPU does not count, and whom it wakes has what it left. Wakings keep their order that way on a loaded machine.
HANDOVER = 50_000_000
#: Nanoseconds, real, after which a deadline is put off no longer, whatever was not run yet.
PUT_OFF = 2_000_000_000
#: How often a thread may be found asleep although it was given a CPU since the last look, before it counts as one that polls. Whoever
#: looks needs the interpreter for that, so that one who waits for it is served before so many looks, in whatever order they are served.
ASLEEP = 25


class ThreadState:
    """A thread the clock knows. It is running unless ``wait`` says otherwise."""

    __slots__ = ("thread", "ident", "native_id", "wait", "ended", "joiners", "test", "expired", "event")
    __slots__ += ("turn", "left", "back", "cpu", "asleep", "times", "since", "rests")

    def __init__(self, thread, test):
        self.thread = thread
        self.ident = None
        self.native_id = None
        self.wait = None
        self.ended = False
        self.joiners = []
        # The number of the test that it belongs to.
        self.test = test
        # Deadlines that it met since the last event, which has a number too.
        self.expired = self.event = 0
        # When what it does began, by this clock; how many nanoseconds of its turn were left then; when it really began to run
        # (None: not yet), and the CPU time that it had used.
        self.turn = self.left = self.cpu = 0
        self.back = None
        # How often it was found asleep in this turn; how often it had been given a CPU when that was last another number, and when.
        self.asleep = self.times = self.since = 0
        # Until when, by the real clock, it is taken to be asleep still.
        self.rests = 0

    def waits(self):
        """Whether it is known to wait."""
        wait = self.wait
        return wait is not None and wait.waiting

    def runs(self):
        """The calling thread is this one, and runs again."""
        self.back = real_ns()
        self.cpu = thread_ns()

    def follows(self, waker, now):
        """It is to run because of what the calling thread did, ``waker`` if that is known."""
        self.back = None
        self.asleep = self.rests = 0
        left = waker.left - (thread_ns() - waker.cpu) if waker is not None else 0
        self.turn, self.left = (waker.turn, left) if left > 0 else (now, HANDOVER)

    def precedes(self, deadline, now):
        """Whether it has to have its turn before that deadline, which is over."""
        # Once it has had its turn it has had it, and the operating system, which takes its time, need not be asked again.
        if self.turn > deadline or now - deadline > PUT_OFF or self.left <= 0 or self.asleep >= ASLEEP:
            return False
        at = real_ns()
        if self.back is None or at - self.back < self.left:
            return True
        if at < self.rests:
            return False
        seen = scheduled(self.native_id)
        if seen is None:
            return False
        used, times, runs = seen
        if used - self.cpu >= self.left:
            self.left = 0
            return False
        # It sleeps for good, or until it gets the interpreter, for which it wakes every switch interval to ask.
        if not runs and times == self.times:
            asleep = at - self.since
            if asleep < 2e9 * sys.getswitchinterval():
                return True
            # For as long again, nobody asks: that takes a tenth of a millisecond, and there may be dozens of such threads.
            self.rests = at + asleep
            return False
        if not runs:
            self.times, self.since = times, at
            self.asleep += 1
        return True


# ---- clock -------------------------------------------------------------------------------------------------------------------
import _thread
import heapq
import itertools
import os
import sys
import threading
import time
import traceback
from collections import deque
from math import ceil


_allocate_lock = _thread.allocate_lock
get_ident = _thread.get_ident

#: Nanoseconds, real, between two looks at whether a deadline that is put off may come; and how many times as long as the look itself
#: took, which asks the operating system about each thread that runs: a tenth of a millisecond each.
PUT_OFF_POLL = 4_000_000
PUT_OFF_REST = 4
#: Seconds, real, between two looks at whether the reason for real time is gone: short at first, then longer.
GUARD_POLL = (0.001, 0.02)
#: Seconds, real, that everything waits without a deadline before it counts as a deadlock. A signal handler, a thread of C or
#: a weakref callback may wake something yet.
DEADLOCK = 1.0
#: Deadlines of one thread in a row with nothing between them but other deadlines. Beyond, it polls for something that only real
#: time brings. Two minutes of polling every 10 ms.
RUNAWAY = 12_000
#: Nanoseconds: threads that an earlier test left behind keep their deadlines rounded up to multiples of this, so that two dozen
#: of them that poll wake together. A loaded machine is 12 ms late (measured), a margin under 50 ms is never one to rely on; and
#: a thread that somebody wakes belongs to the running test again, whose deadlines are exact.
LEFT_BEHIND = 40_000_000
#: Deadlines of waits that have ended may be as many as those of the others, or this many.
ENDED = 64
#: Instead of how long a thread may block: it may not wait here at all.
_INTERRUPTED = object()
#: Seconds: from here on, a wait that had to pass in real time is told, with what was running meanwhile.
WORTH_TELLING = 0.05


class Deadlock(BaseException):
    """Every thread waits for another one, and no deadline ends it. A test's ``except Exception`` must not swallow it."""


class Stats:
    """What the clock did during one test."""

    def __init__(self):
        self._virtual_ns = 0
        self._real_ns = 0
        #: How often the clock jumped.
        self.jumps = 0
        #: Why the clock did not jump although every thread waited: name → times it was asked.
        self.guards = {}

    @property
    def virtual_seconds(self):
        """Seconds that passed without being waited for."""
        return self._virtual_ns / 1e9

    @property
    def real_seconds(self):
        """Seconds that the test's own thread asked to wait and really waited."""
        return self._real_ns / 1e9

    def __repr__(self):
        return f"<Stats {self.virtual_seconds:.3f} virtual seconds, {self.jumps} jumps, guards: {sorted(self.guards)}>"


class Wait:
    """One wait of one thread, in which nothing but :meth:`Clock.wake` or its deadline can end it."""

    # What most waits never change is the class's: making one is part of every waking.
    deadline = None
    waiting = timed_out = signalled = notified = False
    #: What comes out of it instead of an end.
    error = None
    #: A signal handler runs in the waiting thread, and waits itself.
    resumed = False
    #: When it began, by this clock, and how far that was ahead of real time then.
    since = offset = 0
    #: Its place among the deadlines: a list that holds it, or None.
    place = None

    def __init__(self, state):
        self.state = state
        self.lock = _allocate_lock()
        self.lock.acquire()

    def release(self):
        """What ``Condition.notify`` calls: to it, this is the lock that the waiter is blocked on."""
        # First: a waiter that is about to wait looks at this when it no longer misses the waking.
        self.notified = True
        clock.wake(self)

    def block(self, timeout):
        """Blocks for real until signalled, at most ``timeout`` real seconds."""
        self.lock.acquire(True, -1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))

    def signal(self):
        """Lets ``block`` return; called with the clock's lock held."""
        if not self.signalled:
            self.signalled = True
            self.lock.release()


class Clock:
    """The one clock of the process. Its offset only grows, for ever."""

    def __init__(self):
        self.offset = 0
        #: Replacements are in place and threads are tracked.
        self.installed = False
        #: A test runs that wants virtual time.
        self.enabled = False
        #: Whether the clock jumped when it was last asked to, so that waits take no time.
        self.jumps = False
        #: Why the running test gets none although the clock is installed.
        self.disabled_reason = "no test that asked for it was running"
        self.stats = Stats()
        #: Asked whether the clock must step aside: returns the reason or None.
        self.guard = lambda: None
        #: Told the nanoseconds of each jump: the wall clock follows.
        self.on_jump = lambda nanoseconds: None
        #: The thread that runs the tests: the one in which a deadlock is raised.
        self.test_state = None
        self._reset()

    def _reset(self):
        self._mutex = threading._CRLock() if threading._CRLock else threading._RLock()
        self._busy = False
        self._deferred = deque()
        #: The number of the running test.
        self.test = 0
        self._states = {}
        self._known = set()
        self._running = 0
        # A heap of (deadline, the one asked for, sequence, place). The place of a wait that has ended is empty: until its deadline it
        # would keep all that its thread holds on to.
        self._deadlines = []
        self._ended = 0
        self._sequence = itertools.count()
        # The waiting thread that looks after real time for all of them: wakes whom real time made due, asks the guards again.
        self._leader = None
        self._ending = []
        # Threads that ran their last line; the operating system may list them a little longer.
        self.ended_idents = set()
        self.ended_natives = set()
        #: How many known threads began and ended.
        self.changes = 0
        # The number of things that happened other than deadlines.
        self._events = 0
        self._runaway = None
        self._stuck_since = None
        self._guard_poll = GUARD_POLL[0]
        # Nanoseconds, real: when to look again whether a deadline that is put off may come.
        self._put_off_until = 0
        # The thread whose deadline came last.
        self._expired = None
        self._told = set()

    # -- reading -----------------------------------------------------------------------------------------------------------

    def now_ns(self):
        return real_ns() + self.offset

    def current(self):
        """The state of the calling thread; None for one that the clock does not know."""
        return self._states.get(get_ident())

    def threads(self):
        """The states of all known threads, and of those that are on their way out."""
        return [*self._known, *self._ending]

    # -- threads -----------------------------------------------------------------------------------------------------------

    def adopt(self, thread):
        """From here on the calling thread is known: it is running."""
        state = self.current()
        if state is None:
            state = self.expect(thread)
            self.begin(state)
        return state

    def expect(self, thread):
        """A thread is about to start: it counts as running before it does."""
        state = ThreadState(thread, self.test)
        with self._mutex:
            state.follows(self.current(), self.now_ns())
            self._known.add(state)
            self._resume()
            self._events += 1
        return state

    def forget(self, state):
        """The thread could not be started after all."""
        self._leave(state)

    def begin(self, state):
        """The calling thread is the one that was expected."""
        state.ident = get_ident()
        state.native_id = threading.get_native_id() if hasattr(threading, "get_native_id") else None
        self.changes += 1
        self.ended_idents.discard(state.ident)
        self._states[state.ident] = state
        state.runs()

    def end(self, state):
        """The calling thread has run its last line; whoever joins it goes on."""
        state.ended = True
        self.changes += 1
        self.ended_idents.add(state.ident)
        self.ended_natives.add(str(state.native_id))
        self._ending.append(state)
        self._states.pop(state.ident, None)
        self._leave(state)

    def _leave(self, state):
        with self._mutex:
            outer, self._busy = self._busy, True
            try:
                if state not in self._known:
                    return
                self._known.discard(state)
                self._running -= 1
                self._events += 1
                for wait in state.joiners:
                    self._wake(wait, state)
                if self._running == 0:
                    self._advance()
                self._appoint()
                if self._running == 0 and self._leader is not None:
                    # It looks at the deadlines only, as long as somebody runs.
                    self._leader.signal()
            finally:
                self._busy = outer
        self._settle()

    def reap(self):
        """Waits until threads that ran their last line are really gone, so that ``is_alive`` says so."""
        while self._ending:
            try:
                state = self._ending.pop()
            except IndexError:
                return
            if state.ident == get_ident():
                continue
            try:
                self.changes += 1
                # Bounded: what a thread-local's __del__ does there is not known to anybody.
                Real.thread_join(state.thread, 1.0)
            except RuntimeError:
                pass

    # -- waiting -----------------------------------------------------------------------------------------------------------

    def park(self, wait, timeout, ready=None):
        """Waits until woken: True, or False when ``timeout`` seconds of this clock have passed. None = wait otherwise.

        ``ready`` is asked once the wait is registered, before the clock may move: True when there is no need to wait.
        """
        if self._ending:
            self.reap()
        state = wait.state
        outer = state.wait
        # Before anybody is woken, who would have the CPU at once while it is changed.
        gathered = one_cpu.gather() if self.jumps else None
        try:
            timeout = self._register(wait, outer, timeout, ready)
            if timeout is _INTERRUPTED:
                return None
            while wait.waiting:
                wait.block(timeout)
                if wait.waiting:
                    timeout = self._look(wait)
        finally:
            if state.wait is not outer or wait.waiting:
                self._unpark(wait, outer)
            if gathered is not None:
                one_cpu.scatter(gathered)
        if self._ending:
            self.reap()
        if wait.error is not None:
            raise wait.error
        return not wait.timed_out

    def _register(self, wait, outer, timeout, ready):
        """The calling thread waits from here on; returns how long it may block before it has to look.

        ``_INTERRUPTED`` where it is about to change the clock itself, and a signal handler or the like wants to wait.
        """
        state, patience = wait.state, None
        with self._mutex:
            if self._busy:
                return _INTERRUPTED
            self._busy = True
            try:
                if outer is not None and outer.waiting:
                    outer.resumed = True
                    self._resume()
                wait.offset = self.offset
                wait.since = real_ns() + wait.offset
                if timeout is not None:
                    asked = wait.deadline = wait.since + (ceil(timeout * 1e9) if timeout > 0 else 0)
                    if state.test != self.test and state is not self.test_state:
                        wait.deadline += -asked % LEFT_BEHIND
                    wait.place = [wait]
                    heapq.heappush(self._deadlines, (wait.deadline, asked, next(self._sequence), wait.place))
                wait.waiting = True
                state.wait = wait
                self._running -= 1
                if ready is not None and ready():
                    self._wake(wait)
                elif self._running == 0:
                    self._advance()
                if wait.waiting:
                    self._leader = wait
                    patience = self._patience()
                else:
                    state.runs()
                    if outer is None:
                        state.wait = None
            finally:
                self._busy = False
        if self._deferred:
            self._settle()
        return patience

    def _look(self, wait):
        """The calling thread was signalled, or its patience is over."""
        patience = None
        with self._mutex:
            outer, self._busy = self._busy, True
            try:
                wait.signalled = False
                # One that was signalled when its patience was over already has the signal yet.
                wait.lock.acquire(False)
                if wait.waiting and self._leader is wait:
                    self._tick()
                    if wait.waiting:
                        patience = self._patience()
            finally:
                self._busy = outer
        if self._deferred:
            self._settle()
        return patience

    def _unpark(self, wait, outer):
        if outer is None and not wait.waiting and self._leader is not wait:
            # It was woken, which is why nobody else looks at it any more, and leaves nothing that others have to see to.
            wait.state.wait = None
            wait.state.runs()
            return
        with self._mutex:
            before, self._busy = self._busy, True
            try:
                wait.state.wait = outer
                if wait.waiting:
                    # An exception came out of the wait: of a signal handler, or a KeyboardInterrupt.
                    self._end(wait)
                    wait.state.follows(None, self.now_ns())
                    self._resume()
                wait.state.runs()
                if outer is not None and outer.resumed:
                    outer.resumed = False
                    if outer.waiting:
                        self._running -= 1
                        outer.signal()
                if self._leader is wait:
                    self._leader = None
                self._appoint()
            finally:
                self._busy = before
        if self._deferred:
            self._settle()

    def wake(self, wait):
        """Ends a wait: False when it had ended already. The thread counts as running from here on."""
        with self._mutex:
            if self._busy:
                self._deferred.append(wait)
                return wait.waiting
            self._busy = True
            try:
                self._events += 1
                wait.state.test = self.test
                woken = self._wake(wait, self.current())
            finally:
                self._busy = False
        self._settle()
        return woken

    def _settle(self):
        """Wakes whom code that ran inside the lock wanted to wake."""
        while self._deferred and not self._busy:
            try:
                wait = self._deferred.popleft()
            except IndexError:
                return
            self.wake(wait)

    # -- moving; all of this with the lock held ----------------------------------------------------------------------------

    def _resume(self):
        self._running += 1
        self._stuck_since = None

    def _wake(self, wait, waker=None, turn=None):
        if not wait.waiting:
            return False
        if not wait.resumed:
            self._resume()
        wait.state.follows(waker, self.now_ns() if turn is None else turn)
        # From here on its thread may go on.
        self._end(wait)
        wait.signal()
        return True

    def _expire(self, wait, now):
        """The deadline of this wait, the earliest one, has come."""
        state = wait.state
        wait.timed_out = True
        if state is self.test_state:
            self.stats._real_ns += now - wait.since - (self.offset - wait.offset)
        if state.event != self._events:
            state.event, state.expired = self._events, 0
        state.expired += 1
        if state.expired >= RUNAWAY:
            self._runaway = f"runaway: thread {getattr(state.thread, 'name', '?')!r} waited {RUNAWAY} times and nothing happened"
        self._expired = state
        self._wake(wait, None, wait.deadline)

    def _end(self, wait):
        if wait.place is not None:
            wait.place.clear()
            wait.place = None
            self._ended += 1
            # Deadlines far away, most of them never met, are not kept until then.
            if self._ended > ENDED and 2 * self._ended > len(self._deadlines):
                self._deadlines = [deadline for deadline in self._deadlines if deadline[3]]
                heapq.heapify(self._deadlines)
                self._ended = 0
        wait.waiting = False

    def _earliest(self):
        deadlines = self._deadlines
        while deadlines and not deadlines[0][3]:
            heapq.heappop(deadlines)
            self._ended -= 1
        return deadlines[0][3][0] if deadlines else None

    def _advance(self):
        """Every thread waits: the earliest deadline is now, unless there is a reason to stay with real time."""
        wait = self._earliest()
        now = real_ns() + self.offset
        if wait is not None and wait.deadline <= now:
            self._expire(wait, now)
            return
        reason = self._reason()
        self.jumps = reason is None and wait is not None
        if reason is not None:
            self.note(reason)
            self._stuck_since = None
            return
        self._guard_poll = GUARD_POLL[0]
        if wait is None:
            if self._stuck_since is None:
                self._stuck_since = real_ns()
            return
        # The guards took real time.
        now = real_ns() + self.offset
        jump = wait.deadline - now
        if jump > 0:
            self.offset += jump
            stats = self.stats
            stats._virtual_ns += jump
            stats.jumps += 1
            self.on_jump(jump)
            now = wait.deadline
        self._expire(wait, now)

    def is_real(self):
        """Whether a wait that begins now takes real time."""
        with self._mutex:
            return self._busy or not self.enabled or self._reason() is not None

    def _reason(self):
        if not self.enabled:
            return self.disabled_reason
        return self._runaway or self.guard()

    def note(self, reason):
        """Records a reason for real time."""
        self.stats.guards[reason] = self.stats.guards.get(reason, 0) + 1

    def _tick(self):
        """Real time has passed: wakes who is due, and looks whether the clock may jump."""
        wait = self._earliest()
        now = self.now_ns()
        if wait is not None and wait.deadline <= now and not self._put_off(wait.deadline, now):
            self._tell_slow(wait, now)
            self._expire(wait, now)
        elif self._running == 0:
            self._advance()
            if self._stuck_since is not None and real_ns() - self._stuck_since >= DEADLOCK * 1e9:
                self._deadlock()

    def _put_off(self, deadline, now):
        """Whether a thread that was woken before that deadline, which is over, has not had its turn."""
        began = real_ns()
        if began < self._put_off_until:
            return True
        last = self._expired
        # The one whose deadline came last, most of the time, which saves asking all of them.
        if last is None or last.ended or last.waits() or not last.precedes(deadline, now):
            if not any(state.precedes(deadline, now) for state in self._known if not state.waits()):
                return False
        ended = real_ns()
        self._put_off_until = ended + max(PUT_OFF_POLL, PUT_OFF_REST * (ended - began))
        return True

    def _patience(self):
        """Real seconds after which the leader has to look again; None for ever."""
        wait = self._earliest()
        seconds = None
        if wait is not None:
            at = real_ns()
            due = wait.deadline - self.offset
            if self._running:
                if due <= at:
                    self._put_off(wait.deadline, at + self.offset)
                # It would be put off until then anyway.
                due = max(due, self._put_off_until)
            seconds = (due - at) / 1e9 if due > at else 0.0
        if self._running == 0 and self.enabled:
            if self._stuck_since is not None:
                again = max(0.0, DEADLOCK - (real_ns() - self._stuck_since) / 1e9)
            else:
                again = self._guard_poll
                self._guard_poll = min(again * 2, GUARD_POLL[1])
            seconds = again if seconds is None else min(seconds, again)
        return seconds

    def _appoint(self):
        """Makes a waiting thread the leader when there is none and a deadline that somebody has to keep."""
        leader = self._leader
        if leader is not None and leader.waiting and not leader.resumed:
            return
        self._leader = None
        wait = self._earliest()
        if (wait is None and self._running == 0) or (wait is not None and wait.resumed):
            waits = (state.wait for state in self._known)
            wait = next((w for w in waits if w is not None and w.waiting and not w.resumed), None)
        if wait is not None:
            self._leader = wait
            wait.signal()

    def _tell_slow(self, wait, now):
        """A wait ended in real time: names what was running, once a test."""
        if not self.enabled or now - wait.since < WORTH_TELLING * 1e9 or self._running == 0:
            return
        frames = sys._current_frames()
        for state in self._known:
            if not state.waits():
                frame = frames.get(state.ident)
                name = getattr(state.thread, "name", "?")
                where = f" ({os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno})" if frame is not None else ""
                reason = f"busy: thread {name!r} ran, or waited where the clock cannot see{where}"
                if (name, where) not in self._told:
                    self._told.add((name, where))
                    self.note(reason)

    # -- deadlock ----------------------------------------------------------------------------------------------------------

    def _deadlock(self):
        self._stuck_since = None
        state = self.test_state
        wait = state.wait if state is not None else None
        if wait is None or not wait.waiting:
            return
        wait.error = Deadlock("every thread waits without a deadline, so this would never end:\n" + self.stacks())
        self._wake(wait)

    def stacks(self):
        """Where each known thread is, as text."""
        frames = sys._current_frames()
        parts = []
        for state in sorted(self._known, key=lambda s: s.ident or 0):
            frame = frames.get(state.ident)
            if frame is None:
                continue
            lines = [line for line in traceback.format_stack(frame) if __file__ not in line.splitlines()[0]]
            parts.append(f"\nthread {getattr(state.thread, 'name', '?')!r}:\n" + "".join(lines))
        return "".join(parts)

    # -- the beginning and the end -------------------------------------------------------------------------------------------

    def start_test(self, disabled_reason=None):
        """A test begins. With a reason it runs on real time."""
        self.stats = Stats()
        self._told = set()
        self._runaway = None
        self._events += 1
        self.test += 1
        self.test_state = self.current()
        if self.test_state is not None:
            self.test_state.follows(None, self.now_ns())
            self.test_state.runs()
        self.disabled_reason = disabled_reason or ""
        self.enabled = disabled_reason is None
        self.jumps = False
        one_cpu.choose()
        if disabled_reason is not None:
            self.note(disabled_reason)
        return self.stats

    def end_test(self):
        """No test wants virtual time until the next one begins."""
        self.enabled = self.jumps = False
        self.disabled_reason = "no test that asked for it was running"

    def after_fork_in_child(self):
        """The child is real: it has none of the threads, and nothing jumps."""
        self._reset()
        self.enabled = False
        self.installed = False


one_cpu = OneCpu()
clock = Clock()


# ---- file_times --------------------------------------------------------------------------------------------------------------
import ast
import inspect
import textwrap

#: The fields of ``os.stat_result`` that tell it.
FILE_TIME_FIELDS = frozenset(f"st_{which}time{unit}" for which in "mac" for unit in ("", "_ns"))
_FILE_TIME_NAMES = FILE_TIME_FIELDS | {"getmtime", "getatime", "getctime", "ST_MTIME", "ST_ATIME", "ST_CTIME"}

_compared = {}


def reads_file_times(function, seen=None):
    """Whether a function's code, or that of functions of its module that it names, reads the times of files, and not just to put
    them back."""
    code = getattr(function, "__code__", None)
    seen = set() if seen is None else seen
    if code is None or code in seen:
        return False
    seen.add(code)
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names.update(constant.co_names)
    if names & _FILE_TIME_NAMES and compares_file_times(code):
        return True
    namespace = getattr(function, "__globals__", {})
    here = namespace.get("__name__")
    named = (namespace.get(name) for name in names)
    return any(getattr(value, "__module__", None) == here and reads_file_times(value, seen) for value in named)


def compares_file_times(code):
    """Whether code that reads file times may do more with them than hand them to ``os.utime``, in that very call."""
    if code not in _compared:
        _compared[code] = not _put_back_only(code)
    return _compared[code]


def _put_back_only(code):
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    put_back = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _identifier(node.func) == "utime":
            put_back.update(ast.walk(node))
    reads = [node for node in ast.walk(tree) if _identifier(node) in _FILE_TIME_NAMES]
    return bool(reads) and put_back.issuperset(reads)


def _identifier(node):
    return getattr(node, "attr", None) or getattr(node, "id", None)


# ---- guards ------------------------------------------------------------------------------------------------------------------
import os
import signal
import stat
import sys
import threading
import weakref


# A test may replace that of `signal`.
_getitimer = getattr(signal, "getitimer", None)
_TASKS = "/proc/self/task"
_DESCRIPTORS = "/proc/self/fd"

#: Seconds, real, without jumps after the process sent itself a signal: the main thread has to notice it.
SIGNAL_GRACE = 0.05
#: Seconds, real, for which the list of descriptors is not read again, unless Python opened a socket meanwhile.
DESCRIPTORS_KNOWN = 0.0005
_FILE_TIMES_REASON = "file times: the test reads when files changed"
#: Seconds, real, after the last child ended: its SIGCHLD, its last words in a pipe.
CHILD_GRACE = 0.02

#: Nanoseconds: what changed that long before the test is not of the test. File systems keep times to two seconds at worst.
FILE_TIMES_BEFORE = 2_000_000_000


def _listing(folder):
    try:
        return Real.listdir(folder)
    except OSError:
        return None


class Guards:
    """The reasons. One instance; :meth:`reason` is what the clock asks."""

    def __init__(self):
        # Alive before any test was collected: pytest's own, and those of the program that started it.
        self.infrastructure = set(sys._current_frames())
        #: Event loops whose self-pipes may be open.
        self.loops = weakref.WeakSet()
        #: Threads that pytest-timeout and its like started.
        self.exempt_threads = weakref.WeakSet()
        #: How many of time-machine's travels are the clock's own.
        self.own_travels = 0
        self._descriptors = self._links() or {}
        self._sockets = weakref.WeakSet()
        self._tasks = None
        self._foreign = None
        self._idle_tasks = set()
        self._fds = None
        self._fds_until = 0.0
        self._open = None
        self._spawned = None
        self._had_child = False
        self._quiet_until = 0.0
        self._file_times = False
        # Nanoseconds: the real wall clock's lead over the real clock, and what it said when the test began.
        self._epoch = self._began = 0
        self._hooked = False

    # -- the test's frame ----------------------------------------------------------------------------------------------------

    def start_test(self, functions=()):
        """A test begins. Threads of C that are there already are nobody's business; ``functions`` are its code."""
        self._tasks = self._fds = None
        self._quiet_until = 0.0
        self._spawned = None
        self._file_times = any(reads_file_times(function) for function in functions)
        if not self._travels():
            self._epoch = Real.time_ns() - real_ns()
        self._began = real_ns() + self._epoch
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._audit)
        self.know_idle_tasks()

    def know_idle_tasks(self):
        """The threads of C that are there now are nobody's: of libraries, or of what watches the run (faulthandler's timeout)."""
        self._tasks = None
        tasks = _listing(_TASKS)
        if tasks is not None:
            python = {str(thread.native_id) for thread in threading.enumerate() if thread.native_id is not None}
            self._idle_tasks = set(tasks) - python

    def _audit(self, event, arguments):
        if event == "socket.__new__":
            self._fds = None
            try:
                self._sockets.add(arguments[0])
            except TypeError:
                pass
        elif event.startswith("_thread.start"):
            self._tasks = None
        elif event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"):
            if self._spawned is None:
                self._spawned = _ticks_now()
            self._had_child = True
        elif event in ("os.kill", "signal.pthread_kill") and (event != "os.kill" or arguments[0] in (os.getpid(), 0)):
            self._quiet_until = Real.monotonic() + SIGNAL_GRACE

    def file_time_read(self, nanoseconds, code):
        """Code under test reads when a file changed. That is no matter if it was before the test, or has been said by ``os.utime`` to
        be later than now, or if the code only puts it back."""
        if self._file_times or not -FILE_TIMES_BEFORE <= nanoseconds - self._began <= real_ns() + self._epoch - self._began:
            return
        self._file_times = compares_file_times(code)
        if self._file_times and clock.stats.jumps:
            # It may be too late: what was written before and after a jump may have the same time.
            clock.note(_FILE_TIMES_REASON)

    def reason(self):
        """Why the clock must not jump now, or None."""
        return (
            self._timers()
            or self._threads()
            or self._children()
            or self._connections()
            or self._other_clocks()
            or (Real.monotonic() < self._quiet_until and "signal: the process was just sent one")
            or (self._file_times and _FILE_TIMES_REASON)
            or None
        )

    # -- signals -------------------------------------------------------------------------------------------------------------

    def _timers(self):
        # Those that count CPU time do not move while everything waits, on whatever clock.
        if _getitimer is None or not _getitimer(signal.ITIMER_REAL)[0]:
            return None
        # pytest-timeout's alarm is a safety net around the test, not a part of it.
        if getattr(signal.getsignal(signal.SIGALRM), "__module__", None) == "pytest_timeout":
            return None
        return "alarm: signal.alarm or setitimer is armed"

    # -- threads -------------------------------------------------------------------------------------------------------------

    def _threads(self):
        # How many there are, and whether any of ours began or ended since: the listing is dearer.
        try:
            tasks = (Real.stat(_TASKS).st_nlink, clock.changes)
        except OSError:
            tasks = None
        if tasks is None or tasks != self._tasks:
            self._tasks = tasks
            self._foreign = self._find_foreign(_listing(_TASKS))
            if self._foreign is not None:
                # It may be on its way out, or in: their number alone does not tell.
                self._tasks = None
        return self._foreign

    def _find_foreign(self, tasks):
        for attempt in range(5):
            found, ended = self._foreign_thread(tasks)
            if found is None or not ended:
                return found
            # A thread that ran its last line may be in the operating system's list for a moment.
            Real.sleep(0.0002)
            tasks = _listing(_TASKS)
        return found

    def _foreign_thread(self, tasks):
        """A thread that the clock does not know: its reason, and whether it may be one that just ended."""
        known = clock.threads()
        idents = {state.ident for state in known}
        natives = {str(state.native_id) for state in known}
        pending = any(state.ident is None for state in known)
        by_ident = {thread.ident: thread for thread in list(threading._active.values())}
        frames = sys._current_frames()
        # An ident is used again by the next thread.
        self.infrastructure.intersection_update(frames)
        for ident in frames:
            if ident in idents or ident in self.infrastructure:
                continue
            thread = by_ident.get(ident)
            if thread is not None and thread in self.exempt_threads:
                continue
            name = repr(thread.name) if thread is not None else "of _thread"
            return f"thread: {name} was not started under the clock", pending or ident in clock.ended_idents
        if tasks is None:
            return None, False
        exempt = {str(t.native_id) for t in by_ident.values() if t.ident in self.infrastructure or t in self.exempt_threads}
        strange = set(tasks) - natives - self._idle_tasks - exempt
        if strange:
            return "thread: one of C that began during the test", pending or bool(strange & clock.ended_natives)
        return None, False

    # -- children ------------------------------------------------------------------------------------------------------------

    def _children(self):
        if not self._had_child:
            return None
        live = self._live_child()
        if live is not None:
            self._quiet_until = Real.monotonic() + CHILD_GRACE
            return live
        if self._spawned is not None:
            orphan = _orphan(self._spawned)
            if orphan is not None:
                return "child: a process outlived the one that started it"
        return None

    def _live_child(self):
        exempt = _trackers()
        if hasattr(os, "waitid"):
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return None
            except OSError:
                pass
        found = False
        for task in _listing(_TASKS) or ():
            try:
                pids = [int(pid) for pid in contents(f"{_TASKS}/{task}/children").split()]
            except OSError:
                continue
            found = True
            for pid in pids:
                if pid not in exempt and _alive(pid):
                    return "child: a process is alive"
        processes = sys.modules.get("multiprocessing.process")
        for process in list(getattr(processes, "_children", ())):
            popen = getattr(process, "_popen", None)
            # Those of a fork server are not our children.
            if popen is not None and popen.returncode is None and (not found or _alive(popen.pid)):
                return "child: a process is alive"
        if not found:
            # No list of children here, but the operating system said that there are some.
            return "child: a process is alive" if not exempt else None
        return None

    # -- sockets -------------------------------------------------------------------------------------------------------------

    def _connections(self):
        now = Real.monotonic()
        if self._fds is not None and now < self._fds_until:
            return self._open
        self._fds_until = now + DESCRIPTORS_KNOWN
        fds = _listing(_DESCRIPTORS)
        if fds is None:
            pipes = self._self_pipes()
            for sock in list(self._sockets):
                if sock.fileno() not in pipes and sock.fileno() != -1:
                    return "socket: one is open"
            return None
        if fds != self._fds:
            self._fds = fds
            self._open = self._find_open(fds)
            if self._open is not None:
                # Its number may be closed and mean something else when it is looked at next.
                self._fds = None
        return self._open

    def _find_open(self, fds):
        pipes = self._self_pipes()
        for fd in fds:
            if int(fd) in pipes:
                continue
            kind = self._kind(fd)
            if kind is not None and self._descriptors.get(fd) != kind:
                return f"descriptor: a {kind.partition(':')[2].strip('[]')} is open" if "anon" in kind else "socket: one is open"
        return None

    def _links(self):
        fds = _listing(_DESCRIPTORS)
        return None if fds is None else {fd: self._kind(fd) for fd in fds}

    @staticmethod
    def _kind(fd):
        """What a descriptor is, if others may write to it: a socket, an eventfd, a timer; None for files and pipes."""
        try:
            mode = Real.fstat(int(fd)).st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
                return None
            link = Real.readlink(f"{_DESCRIPTORS}/{fd}")
        except OSError:
            return None
        if link.startswith("socket:"):
            return link
        if link.startswith("anon_inode:") and "eventpoll" not in link:
            return link
        return None

    def _self_pipes(self):
        pipes = set()
        for loop in list(self.loops):
            for sock in (getattr(loop, "_ssock", None), getattr(loop, "_csock", None)):
                if sock is not None:
                    pipes.add(sock.fileno())
        return pipes

    # -- other clocks --------------------------------------------------------------------------------------------------------

    def _other_clocks(self):
        modules = sys.modules
        if "freezegun.api" in modules and freezegun_is_active():
            return "other clock: freezegun is active"
        if self._travels() > self.own_travels:
            return "other clock: time-machine is active"
        if "gevent.monkey" in modules and getattr(modules["gevent.monkey"], "saved", None):
            return "other clock: gevent replaced the threads"
        if "eventlet.patcher" in modules and getattr(modules["eventlet.patcher"], "already_patched", None):
            return "other clock: eventlet replaced the threads"
        return None


    @staticmethod
    def _travels():
        """How many of time-machine's travels are under way."""
        return len(travels(sys.modules["time_machine"])) if "time_machine" in sys.modules else 0


def freezegun_is_active():
    """Whether somebody froze the time."""
    return bool(getattr(sys.modules.get("freezegun.api"), "freeze_factories", None))


def travels(machine):
    """The stack of time-machine's active travels, by the names it had."""
    return getattr(machine, "traveller_stack", getattr(machine, "coordinates_stack", ()))


# -- processes, as Linux shows them ------------------------------------------------------------------------------------------


def _stat(pid):
    """State, parent and start (ticks since boot) of a process; None when it is gone."""
    try:
        fields = contents(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1]), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def _alive(pid):
    found = _stat(pid)
    if found is None and _listing("/proc/self") is None:
        return True
    return found is not None and found[0] not in "ZX"


def _ticks_now():
    try:
        return int(float(contents("/proc/uptime").split()[0]) * os.sysconf("SC_CLK_TCK")) - 1
    except (OSError, ValueError):
        return 0


def _orphan(since):
    """A process younger than ``since`` that has lost its parent, as a daemon does: maybe a grandchild of the test.

    Orphans are given to an ancestor of theirs, and so of ours.
    """
    ours, ancestors = os.getpid(), {1}
    parent = _stat(ours)
    while parent is not None and parent[1] > 1:
        ancestors.add(parent[1])
        parent = _stat(parent[1])
    for entry in _listing("/proc") or ():
        if entry.isdigit() and int(entry) != ours:
            found = _stat(entry)
            if found is not None and found[1] in ancestors and found[2] >= since and found[0] not in "ZX":
                return int(entry)
    return None


def _trackers():
    """Processes that Python keeps for itself: resource trackers and the fork server."""
    pids = set()
    for name, module in list(sys.modules.items()):
        if name.endswith("resource_tracker"):
            pids.add(getattr(getattr(module, "_resource_tracker", None), "_pid", None))
        elif name.endswith("multiprocessing.forkserver"):
            pids.add(getattr(getattr(module, "_forkserver", None), "_forkserver_pid", None))
    return pids


guards = Guards()


# ---- locks -------------------------------------------------------------------------------------------------------------------
import _queue
import _thread
import threading
from collections import deque


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


# ---- install -----------------------------------------------------------------------------------------------------------------
import functools
import gc
import os
import queue
import sys
import threading
import time
import types
import weakref


#: Top-level modules (or exact names) whose own calls are never faked: what they wait for is real.
REAL_MODULES = frozenset(
    "subprocess multiprocessing selectors socket socketserver ssl faulthandler coverage pluggy pytest pytest_cov _pytest"
    " pytest_timeout pytest_rerunfailures xdist execnet http.client http.server logging time_machine".split()
)
#: Those of them whose threads serve the test run and do not belong to any test.
_HARNESS = frozenset("faulthandler coverage pluggy pytest pytest_cov _pytest pytest_timeout xdist execnet".split())
#: The modules of the clock itself: what they took from `time` stays.
_OWN = {Real.__module__, type(clock).__module__, Lock.acquire.__module__, type(guards).__module__, __name__}

_real_modules = {}


def _is_real(name):
    """Whether code of this module is to see real time."""
    known = _real_modules.get(name)
    if known is None:
        root = name.partition(".")[0]
        known = _real_modules[name] = name in REAL_MODULES or (root in REAL_MODULES and root != "logging")
    return known


def _called_really():
    """Whether the function that asks was called by code that is to see real time."""
    return _is_real(sys._getframe(2).f_globals.get("__name__") or "")


# -- the functions of `time` -------------------------------------------------------------------------------------------------


class _Builtin:
    """In the place of a builtin function: not bound by a class that holds it, and pickled as the builtin."""

    def __init__(self, real):
        self.__wrapped__ = real
        self.__name__ = self.__qualname__ = real.__name__
        self.__doc__ = real.__doc__
        self.__module__ = "time"
        self.__self__ = time
        self.__text_signature__ = getattr(real, "__text_signature__", None)

    def __reduce__(self):
        return self.__name__

    def __repr__(self):
        return f"<built-in function {self.__name__}>"


class _Sleep(_Builtin):
    def __call__(self, seconds, /):
        state = clock.current()
        if state is None or not clock.installed or type(seconds) not in (int, float) or not 0 < seconds < threading.TIMEOUT_MAX:
            return self.__wrapped__(seconds)
        if _called_really():
            return self.__wrapped__(seconds)
        if sys.version_info >= (3, 11):
            sys.audit("time.sleep", seconds)
        if clock.park(Wait(state), seconds) is None:
            self.__wrapped__(seconds)


class _PassedBy(_Sleep):
    """In the place of a plugin's function that counts or logs what is slept: it is called where something is."""

    def __call__(self, seconds, /):
        if clock.is_real():
            return self.__wrapped__(seconds)
        return super().__call__(seconds)


#: What plugins have put in the place of ``time.sleep``.
_counting = []


def note_sleep(rootpath):
    """Looks, before the first test, at what stands for ``time.sleep``.

    One of the suite's own (below ``rootpath``) keeps its place: what it does instead of sleeping is the suite's affair.
    """
    found = time.sleep
    code = getattr(found, "__code__", None)
    if code is None or hasattr(found, "__wrapped__"):
        return
    held = [value for name, value in found.__globals__.items() if name in code.co_names]
    held += [cell.cell_contents for cell in found.__closure__ or () if gc.get_referents(cell)]
    own = code.co_filename.startswith(f"{rootpath}{os.sep}") and f"{os.sep}site-packages{os.sep}" not in code.co_filename
    if not own and any(value is Real.sleep for value in held):
        _counting.append(found)


class _Ticks(_Builtin):
    """``monotonic`` and ``perf_counter``."""

    def __init__(self, real, nanoseconds):
        super().__init__(real)
        self._nanoseconds = nanoseconds

    def __call__(self):
        if not clock.offset or _called_really():
            return self.__wrapped__()
        return (self._nanoseconds() + clock.offset) / 1e9


class _TicksNs(_Builtin):
    """``monotonic_ns`` and ``perf_counter_ns``."""

    def __call__(self):
        if not clock.offset or _called_really():
            return self.__wrapped__()
        return self.__wrapped__() + clock.offset


# -- the wall clock ----------------------------------------------------------------------------------------------------------


class Wall:
    """The wall clock is ahead by what the clock jumped in the running test, and right again when it ends."""

    def __init__(self):
        self.ahead = 0

    def install(self):
        """Returns what is to be replaced, by the identity of the real thing."""
        return {}

    def jump(self, nanoseconds):
        self.ahead += nanoseconds

    def end_test(self):
        self.ahead = 0


class TimeMachine(Wall):
    """The wall clock through time-machine, which shifts the functions of C themselves."""

    def __init__(self, machine):
        super().__init__()
        self._machine = machine
        self._travel = None

    def _real(self, name):
        """A function of the real wall clock, while travelling and while not."""
        real, escaped = getattr(time, name), getattr(self._machine.escape_hatch.time, name)
        return lambda: escaped() if travels(self._machine) else real()

    def install(self):
        timing = sys.modules.get("_pytest.timing")
        if timing is not None:
            timing.time = self._real("time")
        logging = sys.modules.get("logging")
        if logging is not None:
            logging.time = _private_time(time=self._real("time"), time_ns=self._real("time_ns"))
        return {}

    def jump(self, nanoseconds):
        self.ahead += nanoseconds
        if self._travel is None:
            self._travel = self._machine.travel((self._real("time_ns")() + self.ahead) / 1e9, tick=True)
            self._traveller = self._travel.start()
            guards.own_travels += 1
            # The journey begins with the first look at the time.
            time.time()
        else:
            self._traveller.shift(nanoseconds / 1e9)

    def end_test(self):
        self.ahead = 0
        if self._travel is None:
            return
        stack = travels(self._machine)
        if self._traveller in stack:
            # A test may have left a travel of its own on top; what it left is its own affair.
            stack.remove(self._traveller)
            stack.append(self._traveller)
            self._travel.stop()
        self._travel = None
        guards.own_travels -= 1


class WallFunctions(Wall):
    """The wall clock where there is no time-machine 3: the functions of ``time``, and the methods of ``datetime``."""

    def shift(self):
        """Nanoseconds to add to what the real functions say, which is what the user wants while travelling with time-machine."""
        machine = sys.modules.get("time_machine")
        return 0 if machine is not None and travels(machine) else self.ahead

    def install(self):
        made = {name: _Wall(getattr(Real, name), self) for name in ("time", "time_ns", "localtime", "gmtime", "ctime")}
        made["asctime"] = _WallText(Real.asctime, self, 0)
        made["strftime"] = _WallText(Real.strftime, self, 1)
        self._patch_datetime()
        return {id(one.__wrapped__): one for one in made.values()}

    def _patch_datetime(self):
        import datetime

        def timestamp():
            real = _is_real(sys._getframe(2).f_globals.get("__name__") or "")
            return Real.time() + (0 if real else self.shift() / 1e9)

        def now(cls, tz=None):
            return cls.fromtimestamp(timestamp(), tz)

        def utcnow(cls):
            return cls.fromtimestamp(timestamp(), datetime.timezone.utc).replace(tzinfo=None)

        def today(cls):
            # As that of C does, it asks whatever stands for `time.time`.
            asked = time.time
            return cls.fromtimestamp(timestamp() if isinstance(asked, _Wall) else asked())

        for cls, methods in ((datetime.datetime, (now, utcnow, today)), (datetime.date, (today,))):
            _set_on_builtin(cls, {method.__name__: classmethod(method) for method in methods})


def _set_on_builtin(cls, attributes):
    """Sets attributes of a class of C, which cannot be set, in its namespace. Where that does not work they stay as they are."""
    try:
        import ctypes

        modified = ctypes.pythonapi.PyType_Modified
    except (ImportError, AttributeError):
        return
    gc.get_referents(cls.__dict__)[0].update(attributes)
    modified(ctypes.py_object(cls))


class _Wall(_Builtin):
    def __init__(self, real, wall):
        super().__init__(real)
        self._wall = wall

    def __call__(self, *seconds):
        ahead = self._wall.shift()
        if not ahead or (seconds and seconds[0] is not None) or _called_really():
            return self.__wrapped__(*seconds)
        if self.__name__ == "time_ns":
            return Real.time_ns() + ahead
        now = Real.time() + ahead / 1e9
        return now if self.__name__ == "time" else self.__wrapped__(now)


class _WallText(_Builtin):
    """``asctime`` and ``strftime``, whose moment is the argument at ``place``, or now."""

    def __init__(self, real, wall, place):
        super().__init__(real)
        self._wall = wall
        self._place = place

    def __call__(self, *arguments):
        if self._wall.shift() and len(arguments) == self._place and not _called_really():
            arguments += (time.localtime(),)
        return self.__wrapped__(*arguments)


def _private_time(**functions):
    """A module like ``time``, with some functions exchanged."""
    private = types.ModuleType("time", time.__doc__)
    private.__dict__.update(vars(time))
    private.__dict__.update(functions)
    return private


# -- threads -----------------------------------------------------------------------------------------------------------------


def _start(self):
    """``Thread.start``: the thread counts as running before it is started."""
    if not clock.installed or not self._initialized or self._started.is_set():
        return Real.thread_start(self)
    if (sys._getframe(1).f_globals.get("__name__") or "").partition(".")[0] in _HARNESS:
        guards.exempt_threads.add(self)
        return Real.thread_start(self)
    state = clock.expect(self)
    self.__dict__["_clock_state"] = state
    try:
        Real.thread_start(self)
    except BaseException:
        if state.ident is None:
            clock.forget(state)
        raise


def _bootstrap_inner(self):
    state = self.__dict__.get("_clock_state")
    if state is None or not clock.installed:
        return Real.bootstrap_inner(self)
    clock.begin(state)
    try:
        Real.bootstrap_inner(self)
    finally:
        clock.end(state)


def _join(self, timeout=None):
    state = self.__dict__.get("_clock_state")
    mine = clock.current()
    if state is None or mine is None or state is mine or state.ended or not clock.installed or not self._started.is_set():
        return Real.thread_join(self, timeout)
    if timeout is not None and (timeout <= 0 or timeout > threading.TIMEOUT_MAX):
        return Real.thread_join(self, timeout)
    wait = Wait(mine)
    state.joiners.append(wait)
    try:
        finished = clock.park(wait, timeout, lambda: state.ended)
    finally:
        state.joiners.remove(wait)
    # Whoever ran its last line still is alive for a moment; the real join waits for that.
    return Real.thread_join(self, 0 if finished is False else timeout)


# -- asyncio -----------------------------------------------------------------------------------------------------------------


class _LoopWait(Wait):
    """An event loop's wait: blocked in its own selector, woken through its own self-pipe."""

    __slots__ = ("loop", "select", "events")

    def __init__(self, state, loop, select):
        super().__init__(state)
        self.loop = loop
        self.select = select
        self.events = None

    def poll(self):
        self.events = self.select(0)
        return bool(self.events)

    def block(self, timeout):
        self.events = self.select(timeout)
        if self.events:
            clock.wake(self)

    def signal(self):
        if not self.signalled:
            self.signalled = True
            try:
                self.loop._csock.send(b"\0")
            except (OSError, AttributeError):
                pass


@functools.lru_cache(maxsize=None)
def _seen_selector(cls):
    """A subclass of a selector's class, whose waits the clock sees."""

    def select(self, timeout=None):
        real = functools.partial(cls.select, self)
        state, loop = clock.current(), self._clock_loop()
        if state is None or loop is None or not clock.installed or (timeout is not None and timeout <= 0):
            return real(timeout)
        if len(self.get_map() or ()) > 1:
            # It waits for more than to be called from another thread.
            return real(timeout)
        wait = _LoopWait(state, loop, real)
        loop._clock_wait = wait
        try:
            if clock.park(wait, timeout, wait.poll) is None:
                return real(timeout)
        finally:
            loop._clock_wait = None
        return wait.events or real(0)

    return type(cls.__name__, (cls,), {"select": select, "__module__": cls.__module__, "__doc__": cls.__doc__})


def install_asyncio():
    """Once asyncio is there: its loops' waits are seen. Their time is ``time.monotonic`` anyway."""
    events = sys.modules.get("asyncio.selector_events")
    loop_class = getattr(events, "BaseSelectorEventLoop", None)
    if loop_class is None or "_clock_seen" in vars(loop_class):
        return
    real_run_once, real_write = loop_class._run_once, loop_class._write_to_self
    make_self_pipe = loop_class._make_self_pipe

    def _run_once(self):
        selector = self._selector
        if type(selector).__module__ == "selectors" and "_clock_loop" not in vars(selector):
            selector._clock_loop = weakref.ref(self)
            selector.__class__ = _seen_selector(type(selector))
            guards.loops.add(self)
        real_run_once(self)

    def _write_to_self(self):
        # The byte first: a loop that is about to wait looks for it when it no longer misses the waking.
        real_write(self)
        wait = getattr(self, "_clock_wait", None)
        if wait is not None:
            # A second byte would let the loop go on before this thread does, which may be about to end.
            wait.signalled = True
            clock.wake(wait)

    def _make_self_pipe(self):
        make_self_pipe(self)
        guards.loops.add(self)

    loop_class._run_once, loop_class._write_to_self, loop_class._make_self_pipe = _run_once, _write_to_self, _make_self_pipe
    loop_class._clock_seen = True


# -- file times --------------------------------------------------------------------------------------------------------------

#: Modules that only look whether what they have read has changed, or copy the times.
_FILE_TIMES_KEPT = frozenset(
    "importlib._bootstrap_external _frozen_importlib_external importlib.metadata importlib_metadata linecache shutil zipimport".split()
)


class _FileTime:
    """In the place of a field of ``os.stat_result`` that tells when a file changed."""

    def __init__(self, real):
        self.__wrapped__ = real
        self.__name__ = real.__name__
        self.__doc__ = real.__doc__
        self.__objclass__ = real.__objclass__
        self._nanoseconds = 1 if real.__name__.endswith("_ns") else 1_000_000_000

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self.__wrapped__.__get__(instance, owner)
        state = clock.current()
        # A thread that an earlier test left behind does not decide how this one ends.
        if clock.enabled and value is not None and state is not None and (state is clock.test_state or state.test == clock.test):
            frame = sys._getframe(1)
            name = frame.f_globals.get("__name__")
            if name == "genericpath":
                # os.path.getmtime and the like.
                frame = frame.f_back
                name = frame.f_globals.get("__name__")
            if name not in _FILE_TIMES_KEPT and not _is_real(name or ""):
                guards.file_time_read(int(value * self._nanoseconds), frame.f_code)
        return value

    def __set__(self, instance, value):
        self.__wrapped__.__set__(instance, value)


def _install_file_times():
    """Reading when a file changed may put the test on real time."""
    fields = {name: _FileTime(getattr(os.stat_result, name)) for name in FILE_TIME_FIELDS}
    _set_on_builtin(os.stat_result, fields)


# -- taking effect -----------------------------------------------------------------------------------------------------------


def supported():
    """None, or why the clock cannot work in this interpreter, or not be put in place now."""
    if sys.implementation.name != "cpython":
        return f"unsupported: {sys.implementation.name}"
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return "unsupported: a free-threaded interpreter"
    interpreters = sys.modules.get("_interpreters") or sys.modules.get("_xxsubinterpreters")
    if interpreters is not None and interpreters.get_current() != interpreters.get_main():
        return "unsupported: a subinterpreter"
    if not _done and freezegun_is_active():
        # Nothing real can be had from `datetime` now, and time-machine crashes the interpreter when it is imported now.
        return "other clock: freezegun is active"
    return None


wall = Wall()


def _wall():
    try:
        import time_machine
    except ImportError:
        return WallFunctions()
    # Its second version shifts time.monotonic as well, backwards at the end: its third took that out again.
    shifts_monotonic = hasattr(time_machine.escape_hatch.time, "monotonic")
    return WallFunctions() if shifts_monotonic else TimeMachine(time_machine)


_done = False


def install(infrastructure=None):
    """Replaces; once. ``infrastructure``: the idents of the threads that were there before tests were collected."""
    global wall, _done
    if _done:
        return
    _done = True
    if infrastructure is not None:
        guards.infrastructure = set(infrastructure)
    wall = _wall()
    replaced = wall.install()
    for made in (
        _Sleep(Real.sleep),
        *map(_PassedBy, _counting),
        _Ticks(Real.monotonic, Real.monotonic_ns),
        _Ticks(Real.perf_counter, Real.perf_counter_ns),
        _TicksNs(Real.monotonic_ns),
        _TicksNs(Real.perf_counter_ns),
    ):
        replaced[id(made.__wrapped__)] = made
    _sweep(replaced)
    _replace_locks()
    Real.condition_wait = staticmethod(_put(threading.Condition, "wait", condition_wait))
    Real.thread_join = staticmethod(_put(threading.Thread, "join", _join))
    threading.Thread.start = _start
    threading.Thread._bootstrap_inner = _bootstrap_inner
    install_asyncio()
    _install_file_times()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=clock.after_fork_in_child)
    clock.guard = guards.reason
    clock.on_jump = wall.jump
    clock.installed = True
    clock.adopt(threading.current_thread())


def _put(cls, name, new):
    """Replaces a method, and returns the real one. What wraps that and says so, as whoever counts waits does, stays in front."""
    front = getattr(cls, name)
    for cell in getattr(front, "__closure__", None) or ():
        if cell.cell_contents is getattr(front, "__wrapped__", cell):
            cell.cell_contents = new
            return front.__wrapped__
    setattr(cls, name, new)
    return front


def _replace_locks():
    exchanged = ((threading, "Lock", Lock), (threading, "RLock", RLock), (queue, "SimpleQueue", SimpleQueue))
    own = {id(getattr(module, name)): cls for module, name, cls in exchanged}
    for module, name, cls in exchanged:
        cls.__module__, cls.__qualname__, cls.__doc__ = module.__name__, name, getattr(module, name).__doc__
        setattr(module, name, cls)
    library = os.path.dirname(os.__file__)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        outside = file and (not file.startswith(library) or f"{os.sep}site-packages{os.sep}" in file)
        name = getattr(module, "__name__", None) or ""
        if outside and name not in _OWN and not _is_real(name):
            for name, value in list(vars(module).items()):
                if id(value) in own:
                    setattr(module, name, own[id(value)])


def _sweep(replaced):
    """Exchanges what was taken from ``time`` before: globals, attributes, defaults, partials, closures, lists."""
    _exchange([one.__wrapped__ for one in replaced.values()], replaced)
    freezegun = sys.modules.get("freezegun.api")
    # What it freezes it finds by identity, and it remembers in which modules.
    known = getattr(freezegun, "_real_time_object_ids", None)
    if isinstance(known, set):
        known.update(id(one) for real, one in replaced.items() if real in known)
    getattr(freezegun, "_GLOBAL_MODULES_CACHE", {}).clear()


def _exchange(reals, replaced):
    wrapped, wrappers = [], {}
    own = {id(reals), id(replaced)} | {id(vars(one)) for one in replaced.values() if isinstance(one, _Builtin)}
    for holder in gc.get_referrers(*reals):
        if id(holder) in own or isinstance(holder, (_Builtin, types.FrameType)):
            continue
        if isinstance(holder, dict):
            _exchange_in_dict(holder, replaced)
        elif isinstance(holder, list):
            holder[:] = [replaced.get(id(value), value) for value in holder]
        elif isinstance(holder, types.CellType):
            holder.cell_contents = replaced[id(holder.cell_contents)]
        elif isinstance(holder, functools.partial):
            _exchange_in_partial(holder, replaced)
        elif isinstance(holder, tuple):
            new = tuple(replaced.get(id(value), value) for value in holder)
            for owner in gc.get_referrers(holder):
                if isinstance(owner, types.FunctionType) and owner.__defaults__ is holder and not _is_real(owner.__module__ or ""):
                    owner.__defaults__ = new
                elif isinstance(owner, functools.partial):
                    _exchange_in_partial(owner, replaced)
                elif isinstance(owner, list):
                    # What is to be put back when a patch ends: monkeypatch's, freezegun's.
                    owner[:] = [new if value is holder else value for value in owner]
        elif isinstance(holder, staticmethod):
            if not any(holder is value for value in vars(Real).values()):
                wrapped.append(holder)
                wrappers[id(holder)] = staticmethod(replaced[id(holder.__func__)])
        elif not isinstance(holder, (type, types.ModuleType)) and not _is_real(type(holder).__module__ or ""):
            _exchange_in_object(holder, replaced)
    if wrapped:
        _exchange(wrapped, wrappers)


def _exchange_in_dict(namespace, replaced):
    name = namespace.get("__name__")
    if isinstance(name, str) and "__spec__" in namespace and (_is_real(name) or name in _OWN):
        return
    if "__module__" in namespace and ("__dict__" in namespace or "__doc__" in namespace):
        for owner in gc.get_referrers(namespace):
            if isinstance(owner, type) and not _is_real(owner.__module__):
                for key, value in list(vars(owner).items()):
                    if id(value) in replaced:
                        setattr(owner, key, replaced[id(value)])
        return
    for key, value in list(namespace.items()):
        if id(value) in replaced:
            namespace[key] = replaced[id(value)]


def _exchange_in_partial(partial, replaced):
    function, arguments, keywords, namespace = partial.__reduce__()[2]
    function = replaced.get(id(function), function)
    arguments = tuple(replaced.get(id(value), value) for value in arguments)
    keywords = {key: replaced.get(id(value), value) for key, value in keywords.items()}
    partial.__setstate__((function, arguments, keywords, namespace))


def _exchange_in_object(holder, replaced):
    names = list(getattr(holder, "__dict__", ()))
    for cls in type(holder).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        names.extend([slots] if isinstance(slots, str) else slots)
    for name in names:
        try:
            value = getattr(holder, name)
            if id(value) in replaced:
                setattr(holder, name, replaced[id(value)])
        except Exception:
            continue


def end_test():
    """The wall clock is right again."""
    wall.end_test()


# ---- waiting -----------------------------------------------------------------------------------------------------------------
import inspect
import os
import threading
import time

#: The environment variable that makes :func:`wait_until` verify.
VERIFY = "TESTDIET_VERIFY"


def wait_until(condition, timeout=5.0, interval=0.01):
    """Calls ``condition`` every ``interval`` seconds until it returns something true, and returns that.

    What the condition raises counts as "not yet". After ``timeout`` seconds an ``AssertionError`` says what did not come true,
    caused by what the last call raised.

    With ``TESTDIET_VERIFY=1`` in the environment it fails when the condition is true at the start: then there is nothing to
    wait for, and the wait would pass whatever the code under test does. ``testdiet fix --verify`` runs tests that way.
    """
    end = time.monotonic() + timeout
    first = True
    while True:
        error = None
        try:
            value = condition()
        except Exception as raised:
            value, error = None, raised
        if value:
            if first and os.environ.get(VERIFY, "0") not in ("", "0"):
                raise AssertionError(f"wait_until: {_shown(condition)} was true before anything was waited for")
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"wait_until: {_shown(condition)} was not true within {timeout:g} s") from error
        first = False
        time.sleep(interval)


def _shown(condition):
    code = getattr(condition, "__code__", None)
    if code is None:
        return repr(condition)
    return f"{condition.__qualname__} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


class Cleanup:
    """The ``with_cleanup`` fixture: hands back what it is given, and stops it when the test ends, the last one first.

    An object's own ``stop``, ``cancel``, ``terminate``, ``close`` or ``shutdown`` is called, whichever it has first, and then
    ``join`` or ``wait`` where it is a thread or a process; one that runs on fails the test.
    """

    STOPPING = ("stop", "cancel", "terminate", "close", "shutdown")
    #: Seconds that a thread or process may take to end.
    GRACE = 5.0

    def __init__(self):
        self._objects = []

    def __call__(self, obj):
        if not self._stopping(obj) and not _joinable(obj):
            raise TypeError(f"with_cleanup: {type(obj).__name__} has none of {', '.join(self.STOPPING)} or join")
        self._objects.append(obj)
        return obj

    def _stopping(self, obj):
        return next((name for name in self.STOPPING if callable(getattr(obj, name, None))), None)

    def close(self):
        """Stops everything, also when stopping one of them fails; the first failure is raised at the end."""
        failure = None
        while self._objects:
            try:
                self._stop(self._objects.pop())
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _stop(self, obj):
        if _joinable(obj) and not _started(obj):
            return
        name = self._stopping(obj)
        if name is not None:
            result = getattr(obj, name)()
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError(f"with_cleanup: {type(obj).__name__}.{name} has to be awaited, so await it in the test")
        if _joinable(obj):
            obj.join(self.GRACE)
            if obj.is_alive():
                raise AssertionError(f"with_cleanup: {obj!r} still runs {self.GRACE:g} s after {name or 'the test'}")
        elif name == "terminate" and callable(getattr(obj, "wait", None)):
            obj.wait(self.GRACE)
        elif name in ("terminate", "close", "shutdown", "stop") and callable(getattr(obj, "join", None)):
            # A pool or a helper with threads of its own: a join that takes no timeout, or its own.
            obj.join()


def _joinable(obj):
    return callable(getattr(obj, "join", None)) and callable(getattr(obj, "is_alive", None))


def _started(obj):
    return getattr(obj, "ident", True) is not None


def leaked_threads(before, grace=1.0):
    """The threads that are not in ``before`` and still run after ``grace`` seconds of real time, daemons included."""
    import gc


    end = Real.monotonic() + grace
    while True:
        leaked = [t for t in threading.enumerate() if t not in before and t.is_alive() and not _of_harness(t)]
        if not leaked or Real.monotonic() >= end:
            return leaked
        gc.collect()
        Real.sleep(0.01)


def _of_harness(thread):
    name = type(thread).__module__ + " " + str(getattr(getattr(thread, "function", None), "__module__", "")) + " " + thread.name
    return "pytest_timeout" in name


# ---- plugin ------------------------------------------------------------------------------------------------------------------
import sys
import threading

import pytest

#: The key of a test's figures in ``item.stash``.
STATS = pytest.StashKey()

#: Seconds: a test that really waited for less is not told to have run on real time.
REALLY_WAITED = 0.05

_infrastructure = None


def pytest_addoption(parser):
    group = parser.getgroup("testdiet")
    try:
        group.addoption(
            "--fast-time",
            dest="fast_time",
            action="store_true",
            default=False,
            help="run every test on virtual time, but for those marked real_time: sleeps and timeouts take no time",
        )
        parser.addini("fast_time", "run every test on virtual time, as --fast-time does", type="bool", default=False)
        parser.addini(
            "fail_on_leaked_threads",
            "fail the test after which a thread that it started still runs, daemon or not",
            type="bool",
            default=False,
        )
    except ValueError:
        # The same plugin under another name: the package, and a copy of it in the suite.
        pass


def pytest_load_initial_conftests(early_config):
    # Before the suite's own code is imported, so that what that takes from `time` is the clock's already.
    _note_infrastructure()
    if _whole_run(early_config, early_config.known_args_namespace):
        _install()


def pytest_configure(config):
    _note_infrastructure()
    config.addinivalue_line("markers", "real_time: run this test on the real clock, whatever --fast-time says")
    if _whole_run(config, config.option):
        _install()
        _register(config, _Running)
    if _whole_run(config, config.option) or config.getoption("dist", "no") != "no":
        # The controller of pytest-xdist collects nothing: it gets to know by what its workers report.
        _register(config, _Told)
    if config.getini("fail_on_leaked_threads"):
        _register(config, _LeakCheck)


def pytest_collection_finish(session):
    if any(map(_asks, session.items)):
        # Keeps the real functions for itself before a fixture puts a mock in their place.

        note_sleep(session.config.rootpath)

        _register(session.config, _Running)
        _register(session.config, _Told)


def _asks(item):
    """Whether a test asks for the fixture ``fast_time``, and not for one of the suite's own by that name."""
    if "fast_time" not in getattr(item, "fixturenames", ()):
        return False
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get("fast_time")
    return not definitions or definitions[-1].func.__module__ == __name__


def _register(config, make):
    """The plugin of that class, registered now if it was not."""
    name = f"{__name__}-{make.__name__.strip('_').lower()}"
    registered = config.pluginmanager.get_plugin(name)
    if registered is None:
        registered = make()
        config.pluginmanager.register(registered, name)
    return registered


def _note_infrastructure():
    global _infrastructure
    if _infrastructure is None:
        _infrastructure = set(sys._current_frames())


def _whole_run(config, options):
    return bool(getattr(options, "fast_time", False) or config.getini("fast_time"))


def _install():

    reason = supported()
    if reason is None:
        install(_infrastructure)
    return reason


# -- a test ------------------------------------------------------------------------------------------------------------------


class _Running:
    """Tests on the clock: begins and ends them."""

    def __init__(self):
        #: A test runs that asked for the clock.
        self.running = False
        #: It asked when its protocol had begun, which may have been before there was this object to end it.
        self.late = False

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if _whole_run(item.config, item.config.option) or _asks(item):
            self.begin(item)
        try:
            yield
        finally:
            self.end()

    def begin(self, item, late=False):
        self.running, self.late = True, late
        _begin(item)

    def end(self):
        if self.running:
            self.running = False
            _end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        if self.running:

            # What plugins have started around the test by now, as pytest does for faulthandler_timeout, is not the test's.
            guards.know_idle_tasks()

    def pytest_runtest_logfinish(self):
        # Not those that began in time: plugins that repeat a test finish it several times.
        if self.late:
            self.end()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        outcome = yield
        stats = item.stash.get(STATS, None)
        if stats is not None and call.when == "teardown":
            outcome.get_result().fast_time = {
                "virtual_seconds": stats.virtual_seconds,
                "real_seconds": stats.real_seconds,
                "jumps": stats.jumps,
                "guards": dict(stats.guards),
            }


def _begin(item):
    reason = _install()
    if reason is None and item.get_closest_marker("real_time"):
        reason = "real_time: the test is marked so"

    if clock.installed:
        install_asyncio()
        guards.start_test(_functions(item))
    item.stash[STATS] = clock.start_test(reason)


def _end():

    clock.end_test()
    end_test()


def _functions(item):
    """The functions that a test's file holds of it: its own and its fixtures'."""
    yield getattr(item, "function", None)
    info = getattr(item, "_fixtureinfo", None)
    for definitions in getattr(info, "name2fixturedefs", {}).values():
        for definition in definitions:
            yield definition.func


class FastTime:
    """What the ``fast_time`` fixture gives a test."""

    def __init__(self, stats):
        #: What the clock did so far in this test: ``virtual_seconds``, ``jumps``, ``guards``.
        self.stats = stats


@pytest.fixture
def fast_time(request):
    """Virtual time: sleeps and timeouts of this test take no time, and its threads do what they would have done."""
    item = request.node
    if item.stash.get(STATS, None) is None:
        # Asked for by request.getfixturevalue: nobody knew before.
        _register(item.config, _Told)
        _register(item.config, _Running).begin(item, late=True)
    return FastTime(item.stash[STATS])


@pytest.fixture
def with_cleanup():
    """``monitor = with_cleanup(Monitor())``: stopped when the test ends, by its stop, close, shutdown, terminate or cancel."""

    cleanup = Cleanup()
    yield cleanup
    cleanup.close()


# -- leaked threads ----------------------------------------------------------------------------------------------------------


class _LeakCheck:
    """Fails the test after which a thread that it started still runs."""

    def __init__(self):
        self.started_by_fixtures = set()
        #: The threads that were there when the running test began.
        self.before = None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        before = None if fixturedef.scope == "function" else set(threading.enumerate())
        yield
        if before is not None:
            # They live as long as the fixture does, which is longer than this test.
            self.started_by_fixtures.update(set(threading.enumerate()) - before)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self):
        self.before = set(threading.enumerate())
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self):
        outcome = yield

        self.started_by_fixtures.intersection_update(threading.enumerate())
        leaked = leaked_threads(self.before | self.started_by_fixtures)
        if leaked and outcome.excinfo is None:
            names = "\n".join(f"  {thread!r}" for thread in leaked)
            outcome.force_exception(pytest.fail.Exception(f"{len(leaked)} threads still run after the test:\n{names}", pytrace=False))


# -- what is told at the end --------------------------------------------------------------------------------------------------


class _Told:
    """What the reports said, gathered for the summary: here, or from the workers of xdist."""

    def __init__(self):
        self.tests = 0
        self.saved = 0.0
        self.real = {}

    def pytest_runtest_logreport(self, report):
        figures = getattr(report, "fast_time", None)
        if figures is None:
            return
        self.tests += 1
        self.saved += figures["virtual_seconds"]
        if figures["real_seconds"] >= REALLY_WAITED or "real_time: the test is marked so" in figures["guards"]:
            for reason in figures["guards"]:
                self.real.setdefault(reason, []).append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter):
        if not self.tests:
            return
        on_real_time = {test for tests in self.real.values() for test in tests}
        line = f"fast_time: {self.saved:.1f} s saved in {self.tests} tests"
        if on_real_time:
            line += f"; {len(on_real_time)} on real time"
        terminalreporter.write_line(line)
        for reason, tests in sorted(self.real.items(), key=lambda entry: -len(entry[1])):
            terminalreporter.write_line(f"  {reason}: {len(tests)} ({tests[0]}{', …' if len(tests) > 1 else ''})")
