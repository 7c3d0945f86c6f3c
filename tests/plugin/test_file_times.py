"""Reading when files changed, which they do in real time."""

import pytest

from summary import assert_saved

HOUR = 3600


@pytest.fixture
def product(pytester):
    """The code under test is in a module that the tests import, so that their own source does not show what it reads."""

    def product(source):
        pytester.makepyfile(product=source)

    return product


@pytest.mark.parametrize(
    "read", ["os.stat(path).st_mtime", "os.path.getmtime(path)", "os.stat(path).st_ctime_ns / 1e9", "next(os.scandir(os.path.dirname(path))).stat().st_mtime"]
)
def test_product_that_compares(run, product, read):
    """From its first look at a file of the test on, it is on real time: the second of two writes is another second's."""
    product(
        f"""
        import os

        class Watcher:
            def __init__(self, path):
                self.path, self.seen = path, self.read(path)

            def read(self, path):
                return int({read})

            def changed(self):
                before, self.seen = self.seen, self.read(self.path)
                return self.seen != before
        """
    )
    result = run(
        """
        import time
        from product import Watcher

        def test_change(fast_time, tmp_path):
            path = tmp_path / "watched"
            path.write_text("1")
            watcher = Watcher(path)
            time.sleep(1.1)
            path.write_text("2")
            assert watcher.changed()
            assert "file times: the test reads when files changed" in fast_time.stats.guards
        """
    )
    result.assert_outcomes(passed=1)
    assert_saved(result, 0.9, tests=1, on_real_time=1)


def test_late_look_is_told(run, product):
    """The clock had jumped before anybody could know: the reason is named where the test fails for it, or not."""
    product("def age(path, now):\n    return now - path.stat().st_mtime")
    result = run(
        """
        import time
        from product import age

        def test_age(fast_time, tmp_path):
            path = tmp_path / "old"
            path.touch()
            time.sleep(5)
            assert 5 <= age(path, time.time()) < 7
            assert "file times: the test reads when files changed" in fast_time.stats.guards
        """
    )
    result.assert_outcomes(passed=1)
    assert_saved(result, 5, tests=1)


@pytest.mark.parametrize(
    "keep",
    [
        "os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))",
        "os.utime(path, (before.st_atime, before.st_mtime - 10))",
        "os.utime(path, (os.path.getatime(path), os.path.getmtime(path)))",
        "shutil.copystat(path, tmp_path)",
    ],
)
@pytest.mark.parametrize("where", ["test", "product"])
def test_put_back(run, product, keep, where):
    """Handing a time to os.utime compares nothing."""
    function = f"import os, shutil, time\n\ndef write(path, before, tmp_path):\n    path.write_text('2')\n    {keep}\n"
    product(function)
    result = run(
        (function if where == "test" else "import time\nfrom product import write\n")
        + f"""
def test_write(fast_time, tmp_path):
    path = tmp_path / "x"
    path.write_text("1")
    write(path, path.stat(), tmp_path)
    time.sleep({HOUR})
    assert not fast_time.stats.guards
"""
    )
    result.assert_outcomes(passed=1)
    assert_saved(result, HOUR, tests=1, on_real_time=0)


@pytest.mark.parametrize("way", ["at = before.st_mtime\n    os.utime(path, (at, at))", "os.utime(path, (1, 1))\n    assert before.st_mtime"])
def test_not_just_put_back(run, way):
    """A time that has a name may be compared as well."""
    result = run(
        f"""
import os, time

def test_write(fast_time, tmp_path):
    path = tmp_path / "x"
    path.write_text("1")
    before = path.stat()
    {way}
    time.sleep(0.1)
    assert fast_time.stats.virtual_seconds == 0 and fast_time.stats.guards
"""
    )
    result.assert_outcomes(passed=1)


def test_files_that_the_test_did_not_write(run, product):
    """What changed before the test has the time that it would have had."""
    product("def changed(path):\n    return path.stat().st_mtime")
    result = run(
        f"""
        import os, pathlib, time
        from product import changed

        PATH = pathlib.Path("template")
        PATH.touch()
        os.utime(PATH, (1_000_000_000, 1_000_000_000))

        def test_cached(fast_time):
            at = changed(PATH)
            time.sleep({HOUR})
            assert changed(PATH) == at == 1_000_000_000 and not fast_time.stats.guards

        def test_written_ahead(fast_time, tmp_path):
            path = tmp_path / "x"
            path.touch()
            os.utime(path, (time.time() + 60, time.time() + 60))
            assert changed(path) > time.time()
            time.sleep({HOUR})
            assert changed(path) < time.time() and not fast_time.stats.guards
        """
    )
    result.assert_outcomes(passed=2)
    assert_saved(result, 2 * HOUR, tests=2, on_real_time=0)


def test_thread_left_behind_that_watches(run, product):
    product("def changed(path):\n    return path.stat().st_mtime")
    result = run(
        f"""
        import threading, time
        from product import changed

        def watch(path):
            while True:
                changed(path)
                time.sleep(0.05)

        def test_leaks(fast_time, tmp_path):
            path = tmp_path / "x"
            path.touch()
            threading.Thread(target=watch, args=(path,), daemon=True).start()
            time.sleep(0.2)
            assert fast_time.stats.guards

        def test_next(fast_time):
            time.sleep({HOUR // 6})
            assert not fast_time.stats.guards
        """
    )
    result.assert_outcomes(passed=2)
    assert_saved(result, HOUR // 6 + 0.2, tests=2)


def test_what_stat_returns_is_what_it_was(run):
    result = run(
        """
        import copy, os, pickle, stat
        import pytest

        def test_fields(fast_time, tmp_path):
            found = os.stat(tmp_path)
            assert isinstance(found, tuple) and len(found) == 10
            assert found[stat.ST_MTIME] == int(found.st_mtime) == found.st_mtime_ns // 10**9
            assert f"st_mtime={int(found.st_mtime)}" in repr(found)
            assert pickle.loads(pickle.dumps(found)) == copy.copy(found) == found
            assert pickle.loads(pickle.dumps(found)).st_mtime_ns == found.st_mtime_ns
            assert os.stat_result(range(10)).st_mtime == 8 and os.stat_result(range(10)).st_mtime_ns is None
            assert os.stat_result.st_mtime.__name__ == "st_mtime" and os.stat_result.st_mtime.__get__(found) == found.st_mtime
            for change in (lambda: setattr(found, "st_mtime", 1), lambda: delattr(found, "st_mtime")):
                with pytest.raises((AttributeError, TypeError)):
                    change()
        """
    )
    result.assert_outcomes(passed=1)
