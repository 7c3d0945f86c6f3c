"""The watcher notices which files come, change and go."""

import os.path
import threading as th
from time import sleep

import pytest

from helpers import AFTER_DEBOUNCE, DEBOUNCE
from m2 import ChangeKind, FileWatcher

CREATED, MODIFIED, DELETED = ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.DELETED


def watching(folder, **options):
    return FileWatcher(folder, debounce=DEBOUNCE, **options).start()


def test_cannot_be_started_twice(watcher):
    with pytest.raises(RuntimeError):
        watcher.start()


def test_created(watcher, tmp_path):
    (tmp_path / "new.txt").write_text("hello")
    sleep(0.6)
    assert watcher.changes_of("new.txt") == [CREATED]


def test_nothing_before_the_debounce(watcher, tmp_path):
    (tmp_path / "new.txt").write_text("hello")
    sleep(0.3)
    assert watcher.changes == []
    sleep(0.3)
    assert len(watcher.changes) == 1


def test_default_debounce(tmp_path):
    watcher = FileWatcher(tmp_path)
    watcher.start()
    (tmp_path / "new.txt").write_text("hello")
    sleep(0.6)
    assert watcher.changes_of("new.txt") == [CREATED]


def test_modified(tmp_path):
    target = tmp_path / "notes.md"
    target.write_text("before")
    watcher = watching(tmp_path)
    target.write_text("after")
    sleep(AFTER_DEBOUNCE)
    assert watcher.changes_of("notes.md") == [MODIFIED]


def test_same_size_is_still_a_change(tmp_path):
    target = tmp_path / "flag"
    target.write_text("0")
    stat = target.stat()
    with FileWatcher(tmp_path, debounce=0.5) as watcher:
        target.write_text("1")
        os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        sleep(0.6)
        assert watcher.changes_of("flag") == [MODIFIED]


def test_deleted(tmp_path):
    target = tmp_path / "old.txt"
    target.write_text("bye")
    watcher = watching(tmp_path)
    target.unlink()
    sleep(AFTER_DEBOUNCE)
    assert watcher.changes_of("old.txt") == [DELETED]


def test_gone_before_anyone_noticed(watcher, tmp_path):
    passing = tmp_path / "passing.tmp"
    passing.write_text("x")
    sleep(0.1)
    passing.unlink()
    (tmp_path / "staying.txt").write_text("y")
    sleep(0.6)
    assert [change.path.name for change in watcher.changes] == ["staying.txt"]


def test_burst_is_one_change(watcher, tmp_path):
    target = tmp_path / "busy.log"
    for number in range(10):
        target.write_text(f"revision {number}")
        sleep(0.05)
    assert watcher.changes == []
    sleep(0.6)
    assert watcher.changes_of("busy.log") == [CREATED]


@pytest.mark.parametrize("folder", [".", "src", "src/deep"])
def test_subfolders(watcher, tmp_path, folder):
    path = os.path.join(tmp_path, folder, "module.py")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("x = 1\n")
    sleep(0.6)
    assert watcher.changes_of("module.py") == [CREATED]


def test_pattern(tmp_path):
    watcher = watching(tmp_path, pattern="*.py")
    (tmp_path / "code.py").write_text("x = 1")
    (tmp_path / "data.bin").write_text("1")
    sleep(AFTER_DEBOUNCE)
    assert [change.path.name for change in watcher.changes] == ["code.py"]
    watcher.stop()


def test_every_save_is_reported(watcher, tmp_path):
    target = tmp_path / "draft.txt"
    for number in range(10):
        target.write_text(f"draft {number}")
        sleep(0.6)
    assert len(watcher.changes) == 10
    assert watcher.changes_of("draft.txt")[1:] == [MODIFIED] * 9


def test_stopped_watcher_reports_nothing(tmp_path):
    stopped = watching(tmp_path)
    running = watching(tmp_path)
    stopped.stop()
    (tmp_path / "new.txt").write_text("hello")
    sleep(AFTER_DEBOUNCE)
    assert len(running.changes) == 1
    assert stopped.changes == []
    running.stop()


def test_listener_is_called_and_may_fail(tmp_path):
    heard = []

    def listen(change):
        heard.append(change.path.name)
        raise RuntimeError("listener failed")

    watcher = FileWatcher(tmp_path, debounce=0.5, on_change=listen)
    watcher.start()
    (tmp_path / "new.txt").write_text("hello")
    sleep(0.6)
    assert heard == ["new.txt"]
    assert len(watcher.callback_errors) == 1
    assert watcher.is_running


def test_concurrent_access(watcher, tmp_path):
    errors = []

    def write_files(worker):
        try:
            for number in range(5):
                name = f"worker{worker}-{number}.txt"
                (tmp_path / name).write_text(name)
                sleep(0.6)
                assert watcher.changes_of(name) == [CREATED]
        except Exception as error:
            errors.append(error)

    threads = [th.Thread(target=write_files, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(watcher.changes) == 15


def test_many_writers_many_files(watcher, tmp_path):
    def write(worker):
        for number in range(10):
            (tmp_path / f"{worker}-{number}").write_text(str(number))
            sleep(0.01)

    writers = []
    for worker in range(5):
        writer = th.Thread(target=write, args=(worker,))
        writer.start()
        writers.append(writer)
    for writer in writers: writer.join()
    sleep(0.6)
    assert len(watcher.changes) == 50
    assert {change.kind for change in watcher.changes} == {CREATED}
