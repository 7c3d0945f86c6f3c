"""What the plugin says at the end of a run."""

import re


def assert_saved(result, seconds, tests, on_real_time=None):
    """The summary says that so many seconds were saved, short of those that really passed: a busy machine takes some to wake threads.

    And so it may really have waited for a test, which the summary counts: that is looked at where it is the point."""
    lines = [line for line in result.outlines if line.startswith("fast_time: ")]
    assert len(lines) == 1, result.outlines
    said = re.fullmatch(r"fast_time: ([\d.]+) s saved in (\d+) tests(?:; (\d+) on real time)?", lines[0])
    assert said, lines[0]
    assert seconds - 1 < float(said[1]) <= seconds, lines[0]
    assert int(said[2]) == tests, lines[0]
    assert on_real_time is None or int(said[3] or 0) == on_real_time, lines[0]
