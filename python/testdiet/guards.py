"""Why the clock must step aside: what it cannot see, and what only real time brings. Each reason has a name.

Asked each time all threads wait, so what is costly is looked at again only when the cheap part of it changed.

PYTEST_DONT_REWRITE
"""

import os
import signal
import stat
import sys
import threading
import weakref

from testdiet.clock import Real, clock
from testdiet.file_times import compares_file_times, reads_file_times
from testdiet.real import contents, real_ns

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
