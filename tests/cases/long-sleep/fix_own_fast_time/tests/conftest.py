import pytest


@pytest.fixture
def fast_time(monkeypatch):
    """The project's own: it only looks like ours."""
    monkeypatch.setenv("FAST", "1")
