"""The sleep waits for the timeout: both shrink, the order stays (HAZARDS row 2)."""
import time

from app.monitor import OutputMonitor


def test_silence_is_told():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    time.sleep(2.5)
    assert monitor.silent


def test_half_way_it_is_not():
    monitor = OutputMonitor(timeout=2.0)
    monitor.start()
    time.sleep(1)
    monitor.write("x")
    time.sleep(1.2)
    assert not monitor.silent
