#!/usr/bin/env python3
"""Fixes random suites of sleeps and timeouts: order and margins are kept, and the tests pass while the CPUs have too much to do.

    python3 tests/timing/run.py --testdiet target/debug/testdiet [--suites 100] [--seed 1]

It needs pytest in the interpreter that runs it. `generate.py` writes the suites; a suite that fails stays where it is told.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate import generate  # noqa: E402

HERE = Path(__file__).resolve().parent
#: The least that may lie between two moments whose order matters: on loaded CPUs an event wakes up to 12 ms late.
LEAST_MARGIN = 0.05
#: What the product waits when it is told nothing (product.py).
DEFAULT = 1.6


class Durations:
    """The numbers of a module, by where they stand."""

    def __init__(self, text):
        self.tree = ast.parse(text)
        self.constants = {}
        for node in ast.walk(self.tree):
            # Constants of the module, and names for a delay that one test has.
            if isinstance(node, ast.Assign) and (node in self.tree.body or node.targets[0].id.startswith("delay_")):
                self.constants[node.targets[0].id] = self.number(node.value)

    def number(self, node):
        return eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}, dict(self.constants))

    def __getitem__(self, place):
        function, name, index = place
        if not function:
            return self.constants[name]
        (home,) = [n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
        # ast.walk goes level by level; what counts is the order in the text.
        nodes = sorted((n for n in ast.walk(home) if hasattr(n, "lineno")), key=lambda n: (n.lineno, n.col_offset))
        if name == "sleep":
            found = [n.args[0] for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "time.sleep"]
        elif name in ("elapsed", "within"):
            # `elapsed >= 1`, `elapsed < 2`, `1 <= elapsed < 2`
            compared = [n for n in nodes if isinstance(n, ast.Compare)]
            sides = [side for n in compared for side in zip([n.left, *n.comparators], n.ops, n.comparators)]
            if name == "within":
                found = [b for a, op, b in sides if isinstance(op, ast.Lt) and ast.unparse(a) == "elapsed"]
            else:
                found = [b if isinstance(op, ast.GtE) else a for a, op, b in sides if isinstance(op, (ast.GtE, ast.LtE))]
        else:
            calls = [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) != "worker.join"]
            found = [k.value for n in calls for k in n.keywords if k.arg == name]
        if not found and name == "timeout":
            return DEFAULT
        return self.number(found[index]) * (0.001 if name.endswith("_ms") else 1)


def broken(suite, before, after):
    """The ties of a suite that a fix has broken."""
    out = []
    for file, less, more in suite.orders:
        was, now = [(sum(d[f][p] for p in less), sum(d[f][p] for p in more)) for d, f in ((before, file), (after, file))]
        if was != now and now[1] - now[0] < LEAST_MARGIN - 1e-9:
            out.append(f"{less} before {more}: {was[0]:g} s < {was[1]:g} s became {now[0]:g} s, {now[1]:g} s")
    for file, longer, shorter in suite.ratios:
        was, now = [d[file][longer] / d[file][shorter] for d in (before, after)]
        if abs(was - now) > 1e-9:
            out.append(f"{longer} / {shorter} was {was:g} and is {now:g}")
    return out


def durations(folder, suite):
    return {name: Durations((folder / name).read_text()) for name in suite.files}


def write(folder, suite):
    folder.mkdir()
    shutil.copy(HERE / "product.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    for name, text in suite.files.items():
        (folder / name).write_text(text)


def pytest(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)


def slept(numbers):
    """Seconds of the sleeps as they are written."""
    total = 0.0
    for module in numbers.values():
        calls = [n for n in ast.walk(module.tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "time.sleep"]
        total += sum(module.number(call.args[0]) for call in calls)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--testdiet", required=True, type=Path)
    parser.add_argument("--suites", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="timing-"))
    suites = {seed: generate(seed) for seed in range(options.seed, options.seed + options.suites)}
    failed, shrunk, times = [], 0, [0.0, 0.0]
    for seed, suite in suites.items():
        folder = work / str(seed)
        write(folder, suite)
        before = durations(folder, suite)
        command = [options.testdiet.resolve(), "fix", "--unsafe-fixes", "--isolated", "--quiet", "--statistics"]
        fixed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if fixed.returncode not in (0, 1):
            sys.exit(f"testdiet could not run in {folder}:\n{fixed.stderr}")
        after = durations(folder, suite)
        failed += [(seed, tie) for tie in broken(suite, before, after)]
        times = [times[0] + slept(before), times[1] + slept(after)]
        shrunk += slept(after) < slept(before)
    # Three times as much to do as there are CPUs to do it, with the tests.
    cpus = os.cpu_count() or 1
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cpus)]
    again = []
    try:
        with ThreadPoolExecutor(cpus) as pool:
            ran = dict(zip(suites, pool.map(lambda seed: pytest(work / str(seed)), suites)))
        # Others may have the machine at any moment for longer than a margin; what a fix broke fails again.
        again = [seed for seed, one in ran.items() if one.returncode]
        for seed in again:
            one = pytest(work / str(seed))
            if one.returncode:
                failed.append((seed, one.stdout[-3000:] + one.stderr[-1000:]))
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    print(f"{len(suites)} suites, {shrunk} of them shorter: {times[0]:.0f} s of sleeps became {times[1]:.0f} s; run again: {again}; {len(failed)} failed")
    if failed or shrunk < len(suites) / 2:
        sys.exit("\n".join(f"{work / str(seed)}: {why}" for seed, why in failed) or "too few became shorter")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
