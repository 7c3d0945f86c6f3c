"""Notice which files below a folder come, change and go."""

from __future__ import annotations

import enum
import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType


class ChangeKind(enum.Enum):
    """What happened to a file."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True)
class FileChange:
    """One settled change of one file."""

    kind: ChangeKind
    path: Path


@dataclass
class _Pending:
    """A change that is still within its debounce window."""

    kind: ChangeKind
    since: float


ChangeListener = Callable[[FileChange], None]
Snapshot = dict[Path, bytes]

#: What two changes of one file within one debounce window add up to; ``None`` is no change at all.
_MERGED: dict[tuple[ChangeKind, ChangeKind], ChangeKind | None] = {
    (ChangeKind.CREATED, ChangeKind.MODIFIED): ChangeKind.CREATED,
    (ChangeKind.CREATED, ChangeKind.DELETED): None,
    (ChangeKind.MODIFIED, ChangeKind.MODIFIED): ChangeKind.MODIFIED,
    (ChangeKind.MODIFIED, ChangeKind.DELETED): ChangeKind.DELETED,
    (ChangeKind.DELETED, ChangeKind.CREATED): ChangeKind.MODIFIED,
}


class FileWatcher:
    """Reports a change once its file has been left alone for ``debounce`` seconds.

    A daemon thread compares the contents of the files every ``interval``
    seconds, so two writes within one tick of the file system's clock are
    still two different files.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        pattern: str = "*",
        debounce: float = 0.5,
        interval: float = 0.01,
        on_change: ChangeListener | None = None,
    ) -> None:
        if debounce < 0 or interval <= 0:
            raise ValueError("debounce must not be negative, interval must be positive")
        self.root = Path(root)
        self.pattern = pattern
        self.debounce = debounce
        self.interval = interval
        self._on_change = on_change
        self._lock = threading.Lock()
        self._known: Snapshot = {}
        self._pending: dict[Path, _Pending] = {}
        self._changes: list[FileChange] = []
        self._callback_errors: list[Exception] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> FileWatcher:
        """Start watching; what is there already counts as known."""
        if self._thread is not None:
            raise RuntimeError("the watcher was already started")
        self._known = self._scan()
        self._thread = threading.Thread(target=self._run, name="file-watcher", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop watching and wait for the thread; unsettled changes are dropped."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def __enter__(self) -> FileWatcher:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the watching thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def changes(self) -> list[FileChange]:
        """Every settled change so far, oldest first."""
        with self._lock:
            return list(self._changes)

    @property
    def callback_errors(self) -> list[Exception]:
        """What the listener raised; a bad listener does not stop the watcher."""
        with self._lock:
            return list(self._callback_errors)

    def changes_of(self, name: str) -> list[ChangeKind]:
        """What happened to the files called ``name``, oldest first."""
        return [change.kind for change in self.changes if change.path.name == name]

    def _run(self) -> None:
        delay = self.interval
        while not self._stop.wait(delay):
            now = time.monotonic()
            self._note_changes(self._scan(), now)
            self._report_settled(now)
            delay = self._next_delay()

    def _scan(self) -> Snapshot:
        snapshot: Snapshot = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                if not fnmatch(name, self.pattern):
                    continue
                path = Path(folder, name)
                try:
                    content = path.read_bytes()
                except OSError:
                    continue  # gone between the listing and the reading
                snapshot[path] = hashlib.blake2b(content, digest_size=16).digest()
        return snapshot

    def _note_changes(self, current: Snapshot, now: float) -> None:
        for path in current.keys() | self._known.keys():
            before, after = self._known.get(path), current.get(path)
            if before == after:
                continue
            if before is None:
                kind = ChangeKind.CREATED
            elif after is None:
                kind = ChangeKind.DELETED
            else:
                kind = ChangeKind.MODIFIED
            self._note(path, kind, now)
        self._known = current

    def _note(self, path: Path, kind: ChangeKind, now: float) -> None:
        earlier = self._pending.pop(path, None)
        merged = kind if earlier is None else _MERGED.get((earlier.kind, kind), kind)
        if merged is not None:
            self._pending[path] = _Pending(merged, now)

    def _report_settled(self, now: float) -> None:
        settled = [path for path, pending in self._pending.items() if now - pending.since >= self.debounce]
        for path in settled:
            change = FileChange(self._pending.pop(path).kind, path)
            with self._lock:
                self._changes.append(change)
            self._notify(change)

    def _notify(self, change: FileChange) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(change)
        except Exception as error:
            with self._lock:
                self._callback_errors.append(error)

    def _next_delay(self) -> float:
        now = time.monotonic()
        due = [pending.since + self.debounce - now for pending in self._pending.values()]
        return max(0.0, min([self.interval, *due]))
