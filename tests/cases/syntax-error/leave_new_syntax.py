from __future__ import annotations

type Pair[T] = tuple[T, T]


class Box[T]:
    def get[U: int](self, other: U, /, *args: *tuple[int], **kwargs) -> U:
        match other:
            case {"a": [1, *rest], **more} if rest:
                return more
            case Box(value=1) | None:
                pass
        return f"{other!r:>{10}} {f'{other}'}"


async def test_groups():
    try:
        async with Box() as box, Box():
            print(box, end="")
    except* (ValueError, TypeError) as group:
        print(group)
    if (n := 10) > 5:
        lambda x, /, *, y=1: x @ y
    x: int
    print(*[1], **{})
    del n
