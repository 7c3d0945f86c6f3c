"""Both branches mean a clock's sleep."""
try:
    from gevent import sleep
except ImportError:
    from time import sleep


def test_flush(buffer):
    buffer.write("x")
    sleep(1.5)
    assert buffer.flushed
