"""The granularity of file times."""

import os
import time

FAULTS = []


def test_leave_mtime(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    before = os.path.getmtime(path)
    time.sleep(0.6)
    path.write_text("2")
    assert os.path.getmtime(path) > before


def test_treat_no_times(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    time.sleep(0.6)
    assert path.read_text() == "1"
