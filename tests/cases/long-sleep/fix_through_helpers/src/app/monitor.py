class Monitor:
    def __init__(self, name: str, timeout: float = 2.0, interval: float = 0.05) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
