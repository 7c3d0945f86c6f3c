"""A size at a boundary may be there for it (HAZARDS row 19)."""
import os


def test_longer_than_a_frame(frames):
    assert frames(os.urandom(65535))
    assert frames(os.urandom(65537))


def test_uploaded(client, io):
    client.storbinary("stor file", io.BytesIO(b"abcde12345" * 100_000))


def test_just_within_the_limit():
    # The parser takes 100 KB, and the line has a name and an end.
    assert parse(b"Cookie: " + b"x" * (100 * 1024 - 72) + b"\r\n")


def test_one_more_than_a_round_number():
    assert not fits("y" * (50_000 + 1))


def test_longer_than_two_bytes_hold(frames):
    assert frames(65536 * b"a")
