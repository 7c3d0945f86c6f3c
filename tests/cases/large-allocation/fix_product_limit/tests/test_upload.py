"""What exceeds the product's limit exceeds it afterwards (HAZARDS row 19)."""
from app.upload import upload


def test_too_large():
    assert not upload(b"x" * 1_000_000)
