"""Where it is, or its name, says that the number of rounds is the point."""


def test_get(impl):
    for i in range(5000):
        impl.get(i)


def test_ids_are_unique(make):
    seen = set()
    for _ in range(4096):
        one = make()
        assert one not in seen
        seen.add(one)


def test_stacklimit(order):
    graph = {}
    for i in range(10000):
        graph[i + 1] = i
    assert order(graph)
