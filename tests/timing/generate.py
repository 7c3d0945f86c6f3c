"""Writes a random pytest suite of sleeps and of what they wait for, and says which durations have to stay in order.

A duration is found again after a fix by where it stands: `("test_3", "sleep", 0)` is the first sleep of `test_3`,
`("monitor", "timeout", 0)` the first keyword `timeout=` in the fixture of that name; `("", "PAUSE", 0)` is a constant. Its unit
is that of the name: a keyword that ends in `_ms` is read in milliseconds.
"""

import random
from dataclasses import dataclass, field

HEAD = """import threading
import time
from datetime import timedelta

import pytest

from product import Cache, Configured, Guard, MillisecondMonitor, Monitor, Options, Poller, TookTooLong
"""


@dataclass
class Suite:
    files: dict = field(default_factory=dict)
    #: (file, durations that add up to less, durations that add up to more)
    orders: list = field(default_factory=list)
    #: (file, the longer, the shorter): how often one fits into the other stays.
    ratios: list = field(default_factory=list)


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.constants, self.fixtures, self.tests = [], [], []
        self.suite = Suite()

    def seconds(self, least=0.6, most=2.4):
        return round(self.random.uniform(least, most), 1)

    def longer(self, than):
        return round(than + self.random.choice([0.2, 0.3, 0.5, 0.8]), 2)

    def order(self, less, more):
        self.suite.orders.append(("test_timing.py", less, more))

    def constant(self, value):
        """How a number is written: there, or as a constant of the module."""
        if self.random.random() < 0.6:
            return str(value)
        name = f"PAUSE_{len(self.constants)}"
        self.constants.append(f"{name} = {value}")
        return name

    def sleep(self, value):
        return f"time.sleep({self.constant(value)})"

    def test(self, lines, parameters="", decorators=()):
        name = f"test_{len(self.tests)}"
        body = "\n".join(f"    {line}" for line in lines)
        self.tests.append("".join(f"{d}\n" for d in decorators) + f"def {name}({parameters}):\n{body}\n")
        return name

    # -- one for each way to wait --

    def expires(self):
        t = self.seconds()
        decorators = self.random.choice([(), ('@pytest.mark.parametrize("word", ["one", "two"])',)])
        lines = [f"monitor = Monitor(timeout={self.constant(t)}).start()", self.sleep(self.longer(t)), "assert monitor.fired"]
        name = self.test(lines + (["assert word"] if decorators else []), "word" if decorators else "", decorators)
        self.order([(name, "timeout", 0)], [(name, "sleep", 0)])

    def half_way(self):
        t = self.seconds(1.0)
        first = round(t * self.random.choice([0.4, 0.5, 0.6]), 1)
        second = round(self.longer(t) - first, 2)
        lines = [f"monitor = Monitor(timeout={self.constant(t)}).start()", self.sleep(first), "assert not monitor.fired"]
        name = self.test([*lines, self.sleep(second), "assert monitor.fired"])
        self.order([(name, "sleep", 0)], [(name, "timeout", 0)])
        self.order([(name, "timeout", 0)], [(name, "sleep", 0), (name, "sleep", 1)])

    def default(self):
        name = self.test(["monitor = Monitor().start()", self.sleep(self.longer(1.6)), "assert monitor.fired"])
        self.order([(name, "timeout", 0)], [(name, "sleep", 0)])

    def fixture(self):
        t = self.seconds()
        fixture = f"monitor_{len(self.fixtures)}"
        body = f"    monitor = Monitor(timeout={self.constant(t)}).start()\n    yield monitor\n    monitor.stop()\n"
        self.fixtures.append(f"@pytest.fixture\ndef {fixture}():\n{body}")
        for _ in range(self.random.choice([1, 2])):
            name = self.test([self.sleep(self.longer(t)), f"assert {fixture}.fired"], fixture)
            self.order([(fixture, "timeout", 0)], [(name, "sleep", 0)])

    def derived(self):
        t = self.seconds()
        constant = f"TIMEOUT_{len(self.constants)}"
        self.constants.append(f"{constant} = {t}")
        wait = f"time.sleep({constant} + {self.random.choice([0.2, 0.4])})"
        name = self.test([f"monitor = Monitor({constant}).start()", wait, "assert monitor.fired"])
        self.order([("", constant, 0)], [(name, "sleep", 0)])

    def retries(self):
        interval, times = self.random.choice([0.2, 0.3, 0.4]), self.random.choice([3, 4, 5])
        timeout = round(interval * times, 2)
        lines = [f"poller = Poller(interval={interval}, timeout={timeout})", "worker = threading.Thread(target=poller.run)"]
        lines += ["worker.start()", self.sleep(self.longer(timeout)), f"assert poller.attempts == {times}", "worker.join(timeout=5.0)"]
        name = self.test(lines)
        self.order([(name, "timeout", 0)], [(name, "sleep", 0)])
        self.suite.ratios.append(("test_timing.py", (name, "timeout", 0), (name, "interval", 0)))

    def elapsed(self):
        slept = self.seconds(1.0)
        least = round(slept - self.random.choice([0.1, 0.2, 0.4]), 2)
        # As people bound it from above: by the number again, with some room, or by what surely is enough.
        room = self.random.choice([0.2, 0.5, 1.0])
        delay = f"delay_{len(self.tests)}"
        written, most = self.random.choice([
            ("", f"{round(slept + room, 2)}"), ("", f"{round(slept * 1.5, 2)}"), ("", "10"), ("", "60"),
            (delay, f"2 * {delay}"), (delay, f"{delay} + {room}"), (delay, f"{delay} * {self.random.choice([1.5, 3])}"),
        ])
        lines = [f"{delay} = {self.constant(slept)}"] if written else []
        lines += ["started = time.monotonic()", f"time.sleep({delay})" if written else self.sleep(slept), "elapsed = time.monotonic() - started"]
        both = [f"assert {least} <= elapsed < {most}"], [f"assert elapsed >= {least}", f"assert elapsed < {most}"], [f"assert elapsed < {most}"]
        asserted = self.random.choice(both)
        name = self.test([*lines, *asserted])
        if len(asserted) == 2 or "<=" in asserted[0]:
            self.order([(name, "elapsed", 0)], [(name, "sleep", 0)])
        self.order([(name, "sleep", 0)], [(name, "within", 0)])

    def too_long(self):
        t = self.seconds()
        work = self.longer(t)
        name = self.test([f"guard = Guard(timeout={t})", "with pytest.raises(TookTooLong):", f"    guard.run(lambda: time.sleep({work}))"])
        self.order([(name, "timeout", 0)], [(name, "sleep", 0)])

    def in_time(self):
        work = self.seconds(0.6, 1.6)
        lines = ["done = []", "def work():", f"    time.sleep({work})", "    done.append(1)"]
        name = self.test([*lines, f"Guard(timeout={self.longer(work)}).run(work)", "assert done == [1]"])
        self.order([(name, "sleep", 0)], [(name, "timeout", 0)])

    def beside(self):
        work = self.seconds()
        lines = ["done = []", "def work():", f"    time.sleep({work})", "    done.append(1)", "worker = threading.Thread(target=work)"]
        name = self.test([*lines, "worker.start()", f"time.sleep({self.longer(work)})", "assert done == [1]", "worker.join(timeout=9.0)"])
        self.order([(name, "sleep", 0)], [(name, "sleep", 1)])

    def milliseconds(self):
        t = self.seconds()
        lines = [f"monitor = MillisecondMonitor(timeout_ms={round(t * 1000)}).start()", self.sleep(self.longer(t)), "assert monitor.fired"]
        name = self.test(lines)
        self.order([(name, "timeout_ms", 0)], [(name, "sleep", 0)])

    def delta(self):
        t = self.seconds()
        lines = [f"cache = Cache(ttl=timedelta(seconds={t}))", 'cache.put("a", 1)', 'assert cache.get("a") == 1', self.sleep(self.longer(t))]
        name = self.test([*lines, 'assert cache.get("a") is None'])
        self.order([(name, "seconds", 0)], [(name, "sleep", 0)])

    def options(self):
        t = self.random.choice([None, self.seconds()])
        told = "" if t is None else f"timeout={t}"
        lines = [f"monitor = Configured(Options({told})).start()", self.sleep(self.longer(t or 1.6)), "assert monitor.fired"]
        name = self.test(lines)
        self.order([(name, "timeout", 0)], [(name, "sleep", 0)])

    WAYS = (expires, half_way, default, fixture, derived, retries, elapsed, too_long, in_time, beside, milliseconds, delta, options)

    def write(self):
        for way in self.random.choices(self.WAYS, k=self.random.randint(3, 7)):
            way(self)
        parts = ["\n".join([HEAD, *self.constants]) if self.constants else HEAD.rstrip("\n"), *self.fixtures, *self.tests]
        self.suite.files["test_timing.py"] = "\n\n\n".join(part.rstrip("\n") for part in parts) + "\n"
        return self.suite


def generate(seed):
    return Writer(seed).write()
