"""One is far below the product's limit, all together are beyond it."""
from app.bulk import batches


def test_two_batches():
    large = b"\0" * (1 * 1000 * 1000)
    documents = [large for _ in range(50)]
    assert batches(documents) == 2
