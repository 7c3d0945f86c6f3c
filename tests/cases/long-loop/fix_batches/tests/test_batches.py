"""The product works in batches: one more than one batch is still more than one."""
import s3


def test_remove_more_than_a_batch(bucket):
    client = s3.Client(bucket)
    for i in range(0, 5000):
        client.put(f"dir/file{i}")
    client.remove("dir/")
    assert not client.exists("dir/")
