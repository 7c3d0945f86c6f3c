"""A size at a boundary may be there for it (HAZARDS row 19)."""
import os


def test_longer_than_a_frame(frames):
    assert frames(os.urandom(65535))
    assert frames(os.urandom(65537))


def test_uploaded(client, io):
    client.storbinary("stor file", io.BytesIO(b"abcde12345" * 100_000))
