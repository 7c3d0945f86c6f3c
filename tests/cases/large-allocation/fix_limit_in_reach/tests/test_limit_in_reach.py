"""What a fixture gives is not followed, but the limit is within reach of the imports: the value stays beyond it."""
import pytest
import store as s


@pytest.fixture
def cache(request):
    return getattr(s, request.param)()


def test_in_a_file(cache):
    value = b"abcd" * 2**20
    cache.set("key", value)
    assert cache.in_file
