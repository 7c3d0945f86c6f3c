"""Notice that a session has stopped producing output."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

#: The longest the monitor sleeps between two looks at the clock, in seconds.
POLL_INTERVAL = 0.02


@dataclass(frozen=True)
class SilenceEvent:
    """The session has been quiet for as long as the monitor's timeout."""

    quiet_for: float
    lines_seen: int
    last_line: str | None


SilenceListener = Callable[[SilenceEvent], None]


class OutputMonitor:
    """Fires a :class:`SilenceEvent` when no output came for ``timeout`` seconds.

    A daemon thread watches the clock from :meth:`start` to :meth:`stop`. One
    silence is one event: the monitor is armed again by the next output.
    """

    def __init__(self, timeout: float = 2.0, on_silence: SilenceListener | None = None) -> None:
        if timeout <= 0:
            raise ValueError(f"timeout must be positive, not {timeout}")
        self.timeout = timeout
        self._lock = threading.Lock()
        self._listeners: list[SilenceListener] = [on_silence] if on_silence else []
        self._lines: list[str] = []
        self._by_source: Counter[str] = Counter()
        self._events: list[SilenceEvent] = []
        self._callback_errors: list[Exception] = []
        self._last_output = time.monotonic()
        self._paused = False
        self._silent = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> OutputMonitor:
        """Start watching; the silence is counted from now."""
        if self._thread is not None:
            raise RuntimeError("the monitor was already started")
        with self._lock:
            self._last_output = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="output-monitor", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop watching and wait for the thread; harmless when not running."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def __enter__(self) -> OutputMonitor:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def feed(self, text: str, source: str = "stdout") -> None:
        """Take in output. Empty text is no output and leaves the clock alone."""
        if not text:
            return
        lines = text.splitlines()
        with self._lock:
            self._lines.extend(lines)
            self._by_source[source] += len(lines)
            self._last_output = time.monotonic()
            self._silent.clear()

    def pause(self) -> None:
        """Fire nothing until :meth:`resume`."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        """Go on after a :meth:`pause`; the silence is counted from now."""
        with self._lock:
            self._paused = False
            self._last_output = time.monotonic()

    def add_listener(self, listener: SilenceListener) -> None:
        """Call ``listener`` with every later event, on the monitor's thread."""
        with self._lock:
            self._listeners.append(listener)

    def remove_listener(self, listener: SilenceListener) -> None:
        """Forget a listener; ``ValueError`` if it is not known."""
        with self._lock:
            self._listeners.remove(listener)

    def wait_for_silence(self, timeout: float | None = None) -> bool:
        """Block until the session is silent; false if ``timeout`` passed first."""
        return self._silent.wait(timeout)

    def tail(self, count: int) -> list[str]:
        """The last ``count`` lines of output, oldest first."""
        with self._lock:
            return self._lines[-count:] if count > 0 else []

    @property
    def is_running(self) -> bool:
        """Whether the watching thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_silent(self) -> bool:
        """Whether a silence was noticed and nothing came since."""
        return self._silent.is_set()

    @property
    def lines_seen(self) -> int:
        """The number of lines taken in so far."""
        with self._lock:
            return len(self._lines)

    @property
    def lines_by_source(self) -> dict[str, int]:
        """The number of lines taken in so far, by source."""
        with self._lock:
            return dict(self._by_source)

    @property
    def events(self) -> list[SilenceEvent]:
        """Every silence so far, oldest first."""
        with self._lock:
            return list(self._events)

    @property
    def silence_count(self) -> int:
        """The number of silences so far."""
        with self._lock:
            return len(self._events)

    @property
    def callback_errors(self) -> list[Exception]:
        """What listeners raised; a bad listener does not stop the monitor."""
        with self._lock:
            return list(self._callback_errors)

    def _run(self) -> None:
        delay = 0.0
        while not self._stop.wait(delay):
            delay = self._look()

    def _look(self) -> float:
        """Fire if it is time to; return how long to sleep until the next look."""
        with self._lock:
            if self._paused or self._silent.is_set():
                return POLL_INTERVAL
            quiet_for = time.monotonic() - self._last_output
            if quiet_for < self.timeout:
                return min(POLL_INTERVAL, self.timeout - quiet_for)
            last_line = self._lines[-1] if self._lines else None
            event = SilenceEvent(quiet_for, len(self._lines), last_line)
            self._events.append(event)
            self._silent.set()
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(event)
            except Exception as error:
                with self._lock:
                    self._callback_errors.append(error)
        return POLL_INTERVAL
