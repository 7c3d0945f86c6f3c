"""Puts the clock in the place of the real one: what is replaced, where it may already have been taken from, and for whom not.

Done once in a process, when a test first asks for it; it stays until the end. What is installed passes everything on to the
real clock unless the calling thread is known to the clock and a test that wants virtual time is running.

PYTEST_DONT_REWRITE
"""

import functools
import gc
import os
import queue
import sys
import threading
import time
import types
import weakref

from testdiet.clock import Real, Wait, clock
from testdiet.file_times import FILE_TIME_FIELDS
from testdiet.guards import freezegun_is_active, guards, travels
from testdiet.locks import Lock, RLock, SimpleQueue, condition_wait

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
