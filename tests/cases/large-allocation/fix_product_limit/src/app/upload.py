MAX_BODY = 50_000


def upload(body: bytes) -> bool:
    return len(body) <= MAX_BODY
