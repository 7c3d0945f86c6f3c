"""What tests do that costs: sleeps, waits, joins, threads and processes, counted for the test that does it.

Functions of the standard library (and trio's) are replaced by ones that count and then do what they always did. What a
thread does counts for the test that started it, also through threads of its own; what it still does after that test counts
for none (:attr:`Gauges.outside`).

A *site* is the nearest caller outside the standard library, so that an ``Event.wait`` inside ``queue.Queue.get`` is told as
the ``Queue.get`` in the user's line. Seconds are real ones, whatever clock a test installs. A sleep counts for no more than it
was asked for, and one that came back before its time, as none in real time does, for nothing: what it took was somebody's clock.

Waits for a ``Lock`` or an ``RLock`` are not counted. C's ``lock`` can be neither patched nor subclassed, so that each had to be a
stand-in of another type, half as slow again whenever it is taken (measured); and of the locks in conditions and queues, which are
held for microseconds, it would tell nothing but noise.
"""

import functools
import math
import os
import sys
import threading
import time
import _thread
from typing import Any, NamedTuple

from .imports import Awaited

SLEEP, WAIT, JOIN, THREAD, PROCESS = "sleep", "wait", "join", "thread", "process"

#: Seconds that a test's threads may take to end after it before they count as leaked, and the share of the run that this may take.
GRACE, GRACES = 0.01, 0.03

#: Ours: what watches, and the clock, installed or written into the suite.
OWN = ("testdiet", "testdiet_watch")
#: Packages whose frames are passed over beside the standard library's: what is called through them is the caller's doing.
THROUGH = (*OWN, "trio", "anyio", "sniffio", "outcome", "exceptiongroup", "pluggy", "_pytest")


class Clock(NamedTuple):
    """The real clock. In a tuple, because fake clocks (freezegun's, testdiet's own) look for what others took from ``time`` in
    modules, attributes and closures, and exchange it."""

    perf: Any
    wall: Any
    sleep: Any

    @classmethod
    def taken(cls):
        """As ``time`` has them now."""
        return cls(time.perf_counter, time.time, time.sleep)


class Tally:
    """What one test did. Sites are ``[calls, seconds, untimed, alive]``."""

    __slots__ = ("alive", "closed", "live", "peak", "processes", "sites", "started", "wide")

    def __init__(self):
        self.sites = {}
        self.started = self.live = self.peak = self.alive = self.processes = 0
        #: Threads alive that a fixture of a wider scope than the test's started.
        self.wide = 0
        self.closed = False

    def at(self, key):
        found = self.sites.get(key)
        if found is None:
            found = self.sites[key] = [0, 0.0, 0, 0]
        return found


class Stand:
    """Stands in for a builtin function: like one, and unlike a Python function, it is no method when a class holds it."""

    def __init__(self, original, measured):
        functools.update_wrapper(self, original)
        self.measured = measured

    def __call__(self, *args, **kwargs):
        __tracebackhide__ = True
        return self.measured(*args, **kwargs)

    def __reduce__(self):
        # By name, as the original is.
        return self.__qualname__


class Gauges:
    """Counts while it is plugged in."""

    def __init__(self, real, limits=None):
        self.limits = limits
        self.current = None
        #: The running test.
        self.test = None
        self.outside = Tally()
        self.outside.closed = True
        #: Sleeps and waits that have not ended: ``[tally, site, start, most]`` by their ids.
        self.flying = {}
        #: Fixtures of a wider scope being set up, innermost last.
        self.wide = []
        self.plugged = []
        self.awaited = Awaited(
            {
                "asyncio": self.plug_asyncio,
                "multiprocessing.pool": self.plug_pool,
                "multiprocessing.process": self.plug_process,
                "queue": self.plug_queue,
                "subprocess": self.plug_subprocess,
                "trio": self.plug_trio,
            }
        )
        self.inert = False
        # Reentrant, because a signal handler or a finalizer that sleeps may run while it is held.
        self.lock = _thread.RLock()
        self.real = real
        self.graced = 0.0
        self.began = real.perf()
        self.opaque = {}
        #: The class of the standard library that a joined class derives from, by their names.
        self.bases = {}
        # Not from sysconfig, which takes milliseconds to say the same.
        self.library = os.path.join(os.path.dirname(os.__file__), "")
        self.busy = threading.local()

    # -- where ---------------------------------------------------------------------------------------------------------

    def passes(self, code, name):
        """Whether a frame of this code is passed over."""
        known = self.opaque.get(code)
        if known is None:
            file = code.co_filename
            of_library = file.startswith(self.library) and f"{os.sep}site-packages{os.sep}" not in file
            known = file.startswith("<") or of_library or (name or "").split(".")[0] in THROUGH
            self.opaque[code] = known
        return known

    def place(self, frame):
        """The user's frame at or above a frame, and the last frame passed over on the way."""
        last = None
        while frame is not None and self.passes(frame.f_code, frame.f_globals.get("__name__")):
            last, frame = frame, frame.f_back
        return frame, last

    def key(self, kind, what, frame):
        if frame is None:
            # `Thread(target=time.sleep)`, `gather(sleep(1))`: nobody but the library calls it. Then it is the test's.
            return (kind, what, *defined(self.test))
        code = frame.f_code
        return kind, what, code.co_filename, frame.f_lineno, getattr(code, "co_qualname", code.co_name)

    # -- whose ---------------------------------------------------------------------------------------------------------

    def owner(self):
        """The tally of the test that this thread works for."""
        thread = threading._active.get(_thread.get_ident())
        own = None if thread is None else thread.__dict__.get("_testdiet_tally")
        return own or self.current or self.outside

    def inside(self):
        """Whether this thread is in a join or a start, whose own waits are part of it."""
        return getattr(self.busy, "inside", False)

    def enter(self, kind, what, frame, untimed=False, most=math.inf):
        """Something begins that takes time. It counts for no more than ``most`` seconds: those by which a sleep ends late are
        the machine's, and differ from run to run."""
        if self.inert:
            return None
        tally = self.owner()
        key = self.key(kind, what, frame)
        with self.lock:
            site = (self.outside if tally.closed else tally).at(key)
            site[0] += 1
            site[2] += untimed
            flight = [tally, key, self.real.perf(), most]
            self.flying[id(flight)] = flight
        return flight

    def leave(self, flight, slept=False):
        """It ended; ``slept``: as a sleep does, by its time, and not by an exception."""
        if flight is None:
            return
        now = self.real.perf()
        with self.lock:
            tally, key, start, most = flight
            del self.flying[id(flight)]
            took = min(now - start, most)
            # A timer of the operating system may be early by its resolution.
            early = slept and most < math.inf and took < 0.99 * most - 0.001
            (self.outside if tally.closed else tally).at(key)[1] += 0.0 if early else took

    # -- tests ---------------------------------------------------------------------------------------------------------

    def begin(self, item, alive):
        """A test of pytest's begins, with so many threads alive."""
        self.awaited.look()
        self.test = item
        tally = Tally()
        tally.alive = alive
        self.current = tally
        return tally

    def finish(self, tally):
        """Closes a test's tally. What is still under way counts up to now."""
        now = start = self.real.perf()
        # A thread that was told to end and not joined gets a moment, as CPython's own tests give it.
        while tally.live > tally.wide and now - start < GRACE and self.graced + now - start < GRACES * (now - self.began):
            self.real.sleep(0.001)
            now = self.real.perf()
        self.graced += now - start
        with self.lock:
            for flight in self.flying.values():
                if flight[0] is tally:
                    passed = min(now - flight[2], flight[3])
                    tally.at(flight[1])[1] += passed
                    flight[2] = now
                    flight[3] -= passed
            tally.closed = True
            self.current = None

    # -- threads -------------------------------------------------------------------------------------------------------

    def thread_starts(self, tally, key):
        """Counts a thread. What is returned is handed to :meth:`thread_ended`."""
        if self.limits is not None:
            self.limits.thread(tally)
        alive = threading.active_count() + 1
        with self.lock:
            wide = bool(self.wide) and tally is self.current
            site = tally.at(key)
            site[0] += 1
            tally.started += 1
            tally.live += 1
            tally.peak = max(tally.peak, tally.live)
            tally.alive = max(tally.alive, alive)
            if wide:
                tally.wide += 1
            else:
                site[3] += 1
        return tally, key, wide

    def thread_ended(self, ticket, never_started=False):
        tally, key, wide = ticket
        with self.lock:
            tally.live -= 1
            site = tally.at(key)
            if wide:
                tally.wide -= 1
            elif not tally.closed:
                site[3] -= 1
            if never_started:
                tally.started -= 1
                site[0] -= 1

    # -- plugging ------------------------------------------------------------------------------------------------------

    def replace(self, holder, name, make):
        original = getattr(holder, name, None)
        if original is None:
            return None, None
        replacement = make(original)
        self.plugged.append((holder, name, original, replacement))
        setattr(holder, name, replacement)
        return original, replacement

    def function(self, holder, name, make):
        """Replaces a function, also where other modules hold it by a name of their own."""
        original, replacement = self.replace(holder, name, make)
        if original is not None:
            swap([(original, replacement)])

    def plug_in(self):
        self.function(time, "sleep", self.sleeping)
        self.replace(threading.Condition, "wait", self.waiting)
        self.replace(threading.Thread, "join", self.joining)
        self.replace(threading.Thread, "start", self.starting)
        self.replace(threading.Thread, "_bootstrap_inner", self.ending)
        self.replace(_thread, "start_new_thread", self.starting_raw)
        for name in ("posix_spawn", "posix_spawnp"):
            self.replace(os, name, self.posix_spawning)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.in_child, after_in_parent=self.forked)
        self.awaited.plug_in()

    def plug_asyncio(self, asyncio):
        self.function(asyncio, "sleep", self.async_sleeping)

    def plug_pool(self, pool):
        self.replace(pool.Pool, "join", self.joining)

    def plug_process(self, process):
        self.replace(process.BaseProcess, "join", self.joining)
        self.replace(process.BaseProcess, "start", self.spawning)

    def plug_queue(self, queue):
        self.replace(queue.Queue, "join", self.joining)
        if isinstance(getattr(queue, "SimpleQueue", None), type):
            self.function(queue, "SimpleQueue", self.getting)

    def plug_subprocess(self, subprocess):
        self.replace(subprocess.Popen, "__init__", self.opening)

    def plug_trio(self, trio):
        if hasattr(trio, "sleep_until"):
            self.function(trio, "sleep_until", self.async_sleeping)

    def unplug(self):
        self.awaited.unplug()
        held = []
        while self.plugged:
            holder, name, original, replacement = self.plugged.pop()
            if getattr(holder, name, None) is replacement:
                setattr(holder, name, original)
            if not isinstance(holder, type):
                held.append((replacement, original))
        swap(held)

    def in_child(self):
        self.inert = True
        # Whoever held it is not here.
        self.lock = _thread.RLock()

    # -- replacements --------------------------------------------------------------------------------------------------

    def sleeping(self, original):
        def sleep(seconds, /):
            __tracebackhide__ = True
            frame, _ = self.place(sys._getframe(2))
            flight = self.enter(SLEEP, "time.sleep", frame, most=asked(seconds))
            try:
                slept = original(seconds)
            except BaseException:
                self.leave(flight)
                raise
            self.leave(flight, slept=True)
            return slept

        return Stand(original, sleep)

    def async_sleeping(self, original):
        named = f"{original.__module__.split('.')[0]}.{original.__name__}"

        @functools.wraps(original)
        async def sleep(*args, **kwargs):
            __tracebackhide__ = True
            # A coroutine's caller is whoever awaits it. trio's and anyio's sleeps end in one another: the outermost names it.
            caller = sys._getframe(1)
            frame, _ = self.place(caller)
            what = named
            while caller is not None and caller.f_code.co_name in ("sleep", "sleep_until"):
                package = caller.f_globals.get("__name__", "").split(".")[0]
                if package in ("trio", "anyio"):
                    what = f"{package}.{caller.f_code.co_name}"
                caller = caller.f_back
            # `sleep_until` is told when, not how long.
            most = math.inf if named == "trio.sleep_until" else asked(*args[:1], **kwargs)
            flight = self.enter(SLEEP, what, frame, most=most)
            try:
                slept = await original(*args, **kwargs)
            except BaseException:
                self.leave(flight)
                raise
            self.leave(flight, slept=True)
            return slept

        return sleep

    def waiting(self, original):
        @functools.wraps(original)
        def wait(condition, timeout=None):
            __tracebackhide__ = True
            first = sys._getframe(1)
            frame, last = self.place(first)
            if frame is None or self.inside() or (timeout is not None and timeout <= 0):
                # A thread of the library waits for work; or it is part of a join or of a thread's start; or only a look.
                return original(condition, timeout)
            if last is None:
                what, untimed = f"{type(condition).__name__}.wait", timeout is None
            else:
                names = last.f_locals
                receiver = names.get("self")
                name = last.f_code.co_name
                what = f"{public(last)}.{name}" if receiver is None else f"{type(receiver).__name__}.{name}"
                untimed = names.get("timeout") is None
            flight = self.enter(WAIT, what, frame, untimed)
            try:
                return original(condition, timeout)
            finally:
                self.leave(flight)

        return wait

    def getting(self, original):
        """A ``SimpleQueue`` whose ``get`` counts when there is nothing to get. All else stays C's own."""
        take, empty = original.get, sys.modules["queue"].Empty

        class SimpleQueue(original):
            __slots__ = ()
            __doc__ = original.__doc__

            @functools.wraps(take)
            def get(queue, block=True, timeout=None):
                __tracebackhide__ = True
                timed = type(timeout) in (int, float)
                if not block or not (timeout is None or (timed and 0 < timeout <= threading.TIMEOUT_MAX)):
                    return take(queue, block, timeout)
                try:
                    return take(queue, False)
                except empty:
                    frame, _ = self.place(sys._getframe(1))
                if frame is None or self.inside():
                    # A thread of the library waits for work.
                    return take(queue, block, timeout)
                flight = self.enter(WAIT, f"{type(queue).__name__}.get", frame, timeout is None)
                try:
                    return take(queue, block, timeout)
                finally:
                    self.leave(flight)

        SimpleQueue.__module__, SimpleQueue.__qualname__ = original.__module__, original.__qualname__
        return SimpleQueue

    def joining(self, original):
        base = f"{original.__module__}.{original.__qualname__.rpartition('.')[0]}"

        @functools.wraps(original)
        def join(receiver, *args, **kwargs):
            __tracebackhide__ = True
            caller = sys._getframe(1)
            frame, last = self.place(caller)
            if frame is None or self.inside():
                return original(receiver, *args, **kwargs)
            if frame is caller:
                timeout = args[0] if args else kwargs.get("timeout")
                what = of(receiver)
                self.bases[what] = base
                flight = self.enter(JOIN, what, frame, timeout is None)
            else:
                # An executor's shutdown, a pool's exit: the join is theirs.
                outer = last.f_locals.get("self")
                name = last.f_code.co_name
                what = f"{public(last)}.{name}" if outer is None else f"{type(outer).__name__}.{name}"
                flight = self.enter(WAIT, what, frame)
            self.busy.inside = True
            try:
                return original(receiver, *args, **kwargs)
            finally:
                self.busy.inside = False
                self.leave(flight)

        return join

    def starting(self, original):
        @functools.wraps(original)
        def start(thread, *args, **kwargs):
            __tracebackhide__ = True
            if self.inert:
                return original(thread, *args, **kwargs)
            caller = sys._getframe(1)
            frame, _ = self.place(caller)
            tally = self.owner()
            ticket = self.thread_starts(tally, self.key(THREAD, of(thread), frame or caller))
            # Past a `__setattr__` that a subclass may have.
            thread.__dict__.update(_testdiet_tally=tally, _testdiet_ticket=ticket)
            self.busy.inside = True
            try:
                return original(thread, *args, **kwargs)
            except BaseException:
                if not thread.__dict__.get("_testdiet_runs"):
                    self.thread_ended(ticket, never_started=True)
                raise
            finally:
                self.busy.inside = False

        return start

    def ending(self, original):
        @functools.wraps(original)
        def _bootstrap_inner(thread):
            ticket = thread.__dict__.pop("_testdiet_ticket", None)
            thread.__dict__["_testdiet_runs"] = True
            try:
                return original(thread)
            finally:
                if ticket is not None:
                    self.thread_ended(ticket)

        return _bootstrap_inner

    def starting_raw(self, original):
        def start_new_thread(function, args, kwargs=None, /):
            __tracebackhide__ = True
            if self.inert or not callable(function):
                return original(function, args, *(() if kwargs is None else (kwargs,)))
            caller = sys._getframe(2)
            frame, _ = self.place(caller)
            ticket = self.thread_starts(self.owner(), self.key(THREAD, "_thread", frame or caller))

            def counted(*args, **kwargs):
                try:
                    return function(*args, **kwargs)
                finally:
                    self.thread_ended(ticket)

            try:
                return original(counted, args, *(() if kwargs is None else (kwargs,)))
            except BaseException:
                self.thread_ended(ticket, never_started=True)
                raise

        return Stand(original, start_new_thread)

    def process(self, what, caller):
        if self.inert:
            return
        tally = self.owner()
        frame, _ = self.place(caller)
        with self.lock:
            tally.processes += 1
            (self.outside if tally.closed else tally).at(self.key(PROCESS, what, frame or caller))[0] += 1

    def spawning(self, original):
        @functools.wraps(original)
        def start(process, *args, **kwargs):
            __tracebackhide__ = True
            caller = sys._getframe(1)
            self.busy.spawns = True
            try:
                result = original(process, *args, **kwargs)
            finally:
                self.busy.spawns = False
            self.process(of(process), caller)
            return result

        return start

    def opening(self, original):
        @functools.wraps(original)
        def __init__(process, *args, **kwargs):
            __tracebackhide__ = True
            caller = sys._getframe(1)
            self.busy.spawns = True
            try:
                original(process, *args, **kwargs)
            finally:
                self.busy.spawns = False
            self.process(of(process), caller)

        return __init__

    def posix_spawning(self, original):
        def spawn(*args, **kwargs):
            __tracebackhide__ = True
            pid = original(*args, **kwargs)
            # subprocess spawns too, and has been counted.
            if not getattr(self.busy, "spawns", False):
                self.process(f"os.{original.__name__}", sys._getframe(2))
            return pid

        return Stand(original, spawn)

    def forked(self):
        # Not a replacement: CPython warns whoever calls `os.fork` with threads about, and has to see the real caller.
        if self.plugged and not getattr(self.busy, "spawns", False):
            self.process("os.fork", sys._getframe(1))


def defined(item):
    """Where a test is: its file, line and function."""
    if item is None:
        return "<unknown>", 0, ""
    return str(item.path), (item.location[1] or 0) + 1, getattr(item, "originalname", None) or item.name


def asked(delay=math.inf, **_others):
    """The seconds a sleep is asked for."""
    try:
        return max(float(delay), 0.0)
    except (TypeError, ValueError):
        return math.inf


def public(frame):
    """The module of a frame as its users import it: ``concurrent.futures`` for ``concurrent.futures._base``."""
    parts = frame.f_globals.get("__name__", "").split(".")
    return ".".join(part for part in parts if not part.startswith("_"))


def of(thing):
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


def swap(pairs):
    """Puts the new in the place of the old in every module that holds it under some name; ours keep what they have."""
    new = {id(old): (old, replacement) for old, replacement in pairs}
    for name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or new.keys().isdisjoint(map(id, names.values())) or name.split(".")[0] in OWN:
            continue
        for held in [held for held, value in names.copy().items() if id(value) in new]:
            names[held] = new[id(names[held])][1]
