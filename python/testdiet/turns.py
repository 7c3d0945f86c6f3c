"""Threads that the clock knows, and whose turn it is.

A deadline that real time brings while threads run must not overtake them: one that was woken before it has its turn first, however
long it waits for a CPU or for the interpreter. Whom a thread wakes takes part in its turn.

PYTEST_DONT_REWRITE
"""

from testdiet.real import had_turn, real_ns, thread_ns

#: Nanoseconds of its own that a thread which was woken may run before a deadline that real time brings wakes another one. What it
#: waits for a CPU does not count, and whom it wakes has what it left. Wakings keep their order that way on a loaded machine.
HANDOVER = 50_000_000
#: Nanoseconds, real, after which a deadline is put off no longer, whatever was not run yet.
PUT_OFF = 2_000_000_000


class ThreadState:
    """A thread the clock knows. It is running unless ``wait`` says otherwise."""

    __slots__ = ("thread", "ident", "native_id", "wait", "ended", "joiners", "test", "expired", "event", "turn", "left", "back", "cpu")

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

    def runs(self):
        """The calling thread is this one, and runs again."""
        self.back = real_ns()
        self.cpu = thread_ns()

    def follows(self, waker, now):
        """It is to run because of what the calling thread did, ``waker`` if that is known."""
        self.back = None
        left = waker.left - (thread_ns() - waker.cpu) if waker is not None else 0
        self.turn, self.left = (waker.turn, left) if left > 0 else (now, HANDOVER)

    def precedes(self, deadline, now):
        """Whether it has to have its turn before that deadline, which is over."""
        if self.turn > deadline or now - deadline > PUT_OFF:
            return False
        if self.back is None or real_ns() - self.back < self.left:
            return True
        return not had_turn(self.native_id, self.cpu, self.left)
