MAX_MESSAGE_SIZE = 48_000_000


def batches(documents: list[bytes]) -> int:
    return sum(len(d) for d in documents) // MAX_MESSAGE_SIZE + 1
