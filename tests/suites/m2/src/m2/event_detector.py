"""Recognise what lines of output mean."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

#: The events that are looked for unless the caller brings patterns of its own.
DEFAULT_PATTERNS: Mapping[str, str] = {
    "error": r"^(?:ERROR|Traceback)\b:?\s*(?P<detail>.*)",
    "question": r"(?P<detail>[^.!?]*\?)\s*$",
    "done": r"\b(?:task|all tasks) (?:complete|completed|done)\b",
    "tests": r"\b(?P<passed>\d+) passed(?:, (?P<failed>\d+) failed)?",
}


@dataclass(frozen=True)
class DetectedEvent:
    """One line that one pattern matched."""

    name: str
    line: str
    details: Mapping[str, str] = field(default_factory=dict)


EventListener = Callable[[DetectedEvent], None]


class EventDetector:
    """Matches lines against named patterns; may be fed from several threads.

    With a ``cooldown``, an event that was reported is not reported again
    before that many seconds have passed.
    """

    def __init__(self, patterns: Mapping[str, str] | None = None, cooldown: float = 0.0) -> None:
        if cooldown < 0:
            raise ValueError(f"cooldown must not be negative, not {cooldown}")
        chosen = DEFAULT_PATTERNS if patterns is None else patterns
        self._patterns = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in chosen.items()}
        self.cooldown = cooldown
        self._lock = threading.Lock()
        self._events: list[DetectedEvent] = []
        self._listeners: list[tuple[str | None, EventListener]] = []
        self._reported_at: dict[str, float] = {}

    def subscribe(self, listener: EventListener, name: str | None = None) -> None:
        """Call ``listener`` with every event, or only with those called ``name``."""
        if name is not None and name not in self._patterns:
            raise KeyError(name)
        with self._lock:
            self._listeners.append((name, listener))

    def feed(self, line: str) -> list[DetectedEvent]:
        """Look at one line; return the events that were reported for it."""
        found = [event for event in self._match(line) if self._report(event)]
        for event in found:
            for name, listener in self._listeners_now():
                if name is None or name == event.name:
                    listener(event)
        return found

    def feed_all(self, lines: Iterable[str]) -> list[DetectedEvent]:
        """Look at several lines; return the events that were reported for them."""
        return [event for line in lines for event in self.feed(line)]

    @property
    def events(self) -> list[DetectedEvent]:
        """Every event reported so far, oldest first."""
        with self._lock:
            return list(self._events)

    @property
    def counts(self) -> Counter[str]:
        """The number of events reported so far, by name."""
        return Counter(event.name for event in self.events)

    def clear(self) -> None:
        """Forget what was reported, and every cooldown."""
        with self._lock:
            self._events.clear()
            self._reported_at.clear()

    def _match(self, line: str) -> Iterable[DetectedEvent]:
        for name, pattern in self._patterns.items():
            match = pattern.search(line)
            if match:
                details = {key: value.strip() for key, value in match.groupdict().items() if value}
                yield DetectedEvent(name, line, details)

    def _report(self, event: DetectedEvent) -> bool:
        now = time.monotonic()
        with self._lock:
            before = self._reported_at.get(event.name)
            if before is not None and now - before < self.cooldown:
                return False
            self._reported_at[event.name] = now
            self._events.append(event)
            return True

    def _listeners_now(self) -> list[tuple[str | None, EventListener]]:
        with self._lock:
            return list(self._listeners)
