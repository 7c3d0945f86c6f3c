"""Threads that the clock knows, and whose turn it is.

A deadline that real time brings while threads run must not overtake them: one that was woken before it has its turn first, however
long it waits for a CPU or for the interpreter. Whom a thread wakes takes part in its turn.

PYTEST_DONT_REWRITE
"""

import sys

from testdiet.real import real_ns, scheduled, thread_ns

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
