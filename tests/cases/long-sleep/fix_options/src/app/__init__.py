import threading
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple


@dataclass
class Base:
    name: str = ""
    timeout: float = 1.6


@dataclass
class Options(Base):
    limit_s: ClassVar[float] = 30.0
    grace: float = field(default=2.0)
    since: float = field(init=False, default=3.0)


class Pair(NamedTuple):
    name: str
    timeout: float = 1.6


class Monitor:
    def __init__(self, options):
        self.fired = False
        self.timer = threading.Timer(options.timeout, self._fire)
        self.timer.start()

    def _fire(self):
        self.fired = True
