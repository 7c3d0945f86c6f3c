import pytest

# >>> testdiet >>>
@pytest.fixture
def fast_time():
    yield
# <<< testdiet <<<
