"""The virtual clock: now = real + offset, and the offset jumps to the earliest deadline only while every thread waits.

What a thread waits for has to be seen for that: :class:`Wait` is one such wait, and :class:`Clock` counts the threads that
are in none. A thread that blocks where nobody looks counts as running, so it costs real time and is never overtaken.

One lock guards the state below. It is re-entrant because a signal handler, a ``__del__`` or a weakref callback may run while
this very thread holds it; what such code wakes is put off until the lock is free, what it waits for it waits for really.

PYTEST_DONT_REWRITE
"""

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

from testdiet.real import OneCpu, Real, real_ns
from testdiet.turns import ThreadState

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
