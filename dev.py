#!/usr/bin/env python3
"""What one does with a clone of testdiet. Needs Rust and CPython 3.9 or newer with pip; sets up the rest under target/.

    python3 dev.py demo     put a copy of tests/suites/m2 on a diet, and measure it before and after
    python3 dev.py test     everything that has to pass: format, lints, tests, documentation, the demo's suite end to end
    python3 dev.py hooks    build a wheel and run the hooks in it with the real pre-commit, without Rust (needs the network);
                            with --rust, run those of the last commit, which pre-commit compiles
    python3 dev.py fuzz     mutate Python sources for a minute, and put each through check, fix, write and undo;
                            --seconds N, --seed N
    python3 dev.py pictures make the pictures in docs/ anew (needs Chromium, and the network once)
    python3 dev.py venv     make target/venv (with pytest, and the packages named after it) and print its interpreter
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SUITE = ROOT / "tests" / "suites" / "m2"
# What makes `fix` do with smaller numbers, as the post-mortem had to.
SHRINK = ["--config", "fix.strategies = ['shrink']"]
CARGO = os.environ.get("CARGO", "cargo")


class Failed(Exception):
    """A step that did not end as it has to."""


def say(text):
    print(f"\n==> {text}", flush=True)


def run(command, cwd=ROOT, env=None, good=(0,)):
    """Runs a command, its output going where ours goes."""
    command = [str(part) for part in command]
    print("$ " + " ".join(shown(part) for part in command), flush=True)
    ended = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
    if ended.returncode not in good:
        raise Failed(f"`{shown(command[0])} {command[1]}` ended with {ended.returncode}")
    return ended.returncode


def shown(part):
    """A word of a command, without the folder this clone happens to be in."""
    option, sign, value = part.rpartition("=")
    path = Path(value)
    return option + sign + path.name if path.is_absolute() else part


# ---- what is needed ---------------------------------------------------------------------------------------------------


def target():
    """cargo's target folder, wherever the environment puts it."""
    command = [CARGO, "metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    return Path(json.loads(out)["target_directory"])


def venv(packages=("pytest",)):
    """The interpreter of target/venv, with the packages installed; made when it is not there."""
    folder = target() / "venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Progress goes to standard error: `dev.py venv` prints the interpreter and nothing else.
    quiet = {"cwd": ROOT, "check": True, "stdin": subprocess.DEVNULL, "stdout": sys.stderr}
    if not works(python):
        shutil.rmtree(folder, ignore_errors=True)
        # Where pip cannot be put into an environment (Debian without python3-venv), this interpreter's pip installs into it.
        for options in ([], ["--without-pip"]):
            if subprocess.run([sys.executable, "-m", "venv", *options, str(folder)], **{**quiet, "check": False}).returncode == 0:
                break
    missing = [package for package in packages if not (folder / f"has-{package}").exists()]
    if missing:
        pip = [str(python), "-m", "pip", "install"]
        if subprocess.run([*pip[:3], "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
            site = subprocess.run(where, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            pip = [sys.executable, "-m", "pip", "install", "--target", site]
        subprocess.run([*pip, "--quiet", "--disable-pip-version-check", *missing], **quiet)
        for package in missing:
            (folder / f"has-{package}").touch()
    return python


def works(python):
    return python.exists() and subprocess.run([str(python), "-c", ""], stdin=subprocess.DEVNULL).returncode == 0


def build(release):
    run([CARGO, "build", "--locked", *(["--release"] if release else [])])
    return target() / ("release" if release else "debug") / ("testdiet.exe" if os.name == "nt" else "testdiet")


# ---- a suite on a diet ------------------------------------------------------------------------------------------------


def copy_suite(to):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(SUITE, to, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache", ".testdiet*"))
    return to


def measure(testdiet, python, suite):
    """What the suite's tests cost, as `testdiet measure` sees it, in the figures of the table."""
    report = suite.parent / f"{suite.name}.json"
    report.unlink(missing_ok=True)
    options = ["--alloc", f"--python={python}", "--output-format=json", f"--output-file={report}"]
    run([testdiet, "measure", *options], cwd=suite, env={"PYTHONDONTWRITEBYTECODE": "1"})
    seen = json.loads(report.read_text(encoding="utf-8"))
    peaks = {}
    for test in seen["tests"]:
        file = test["test"].split("::")[0]
        peaks[file] = max(peaks.get(file, 0), test.get("alloc_peak", 0))
    # A queue's own `join` has no timeout to be given.
    workers = ("threading.", "multiprocessing.")
    joins = [site for test in seen["tests"] for site in test.get("sites", []) if site["kind"] == "join"]
    return {
        "sleep": seen["totals"]["sleep_s"],
        "threads": seen["totals"]["threads_alive"],
        "largest_peak": max(peaks.values()),
        "sum_of_peaks": sum(peaks.values()),
        "runtime": seen["totals"]["wall_s"],
        "bare_joins": sum(site.get("untimed", 0) for site in joins if site["what"].startswith(workers)),
        "outcomes": {test["test"]: test["outcome"] for test in seen["tests"]},
    }


def table(**runs):
    """The figures of some runs side by side, and how far each is from the first."""

    def seconds(value):
        return f"{value:.1f} s"

    def kilobytes(value):
        return f"{value / 1000:.0f} KB"

    rows = [
        ("asleep", "sleep", seconds),
        ("threads alive at the peak", "threads", str),
        ("memory at the peak of a test", "largest_peak", kilobytes),
        ("memory, the files' peaks added up", "sum_of_peaks", kilobytes),
        ("runtime of the tests", "runtime", seconds),
        ("joins without a timeout", "bare_joins", str),
    ]
    first, *others = runs.values()
    print(f"{'':34}" + "".join(f"{name.replace('_', ' '):>22}" for name in runs))
    for title, key, unit in rows:
        changes = [f"({(now[key] - first[key]) / first[key] * 100:+.0f} %)".replace("-", "−") if first[key] else "" for now in others]
        shown = [f"{unit(now[key])} {change:>8}" for now, change in zip(others, changes)]
        print(f"{title:34}" + "".join(f"{text:>22}" for text in [unit(first[key]), *shown]))
    passed = [sum(outcome == "passed" for outcome in run["outcomes"].values()) for run in runs.values()]
    print(f"{'tests passed':34}" + "".join(f"{count:>22}" for count in passed), flush=True)


def demo():
    python, testdiet = venv(), build(release=True)
    suite = copy_suite(target() / "demo")
    say("The suite as it is: it really sleeps, so this takes a minute and three quarters")
    before = measure(testdiet, python, suite)
    say("What testdiet finds (`testdiet check` alone shows each finding with its source and its fix)")
    run([testdiet, "check", "--statistics"], cwd=suite, good=(0, 1))
    say("Fixed; what is printed is what remains")
    run([testdiet, "fix", "--unsafe-fixes", "--output-format", "concise"], cwd=suite, good=(0, 1))
    say("The same tests after the fix")
    after = measure(testdiet, python, suite)
    say("And with nothing but smaller numbers, without the clock")
    shrunk = copy_suite(target() / "demo-shrunk")
    run([testdiet, "fix", "--unsafe-fixes", "--quiet", "--output-format", "concise", *SHRINK], cwd=shrunk, good=(0, 1))
    smaller = measure(testdiet, python, shrunk)
    say("Measured in all runs by `testdiet measure --alloc`")
    table(before=before, smaller_numbers=smaller, with_the_clock=after)
    same_tests_pass(before, after)
    same_tests_pass(before, smaller)
    print("\nThe fixed copy is in target/demo. Compare it with tests/suites/m2, or take it back there with `testdiet undo`.")


# ---- what has to pass -------------------------------------------------------------------------------------------------


def test():
    started = time.monotonic()
    say("Format and lints")
    run([CARGO, "fmt", "--check"])
    run([CARGO, "clippy", "--locked", "--all-targets", "--", "-D", "warnings"])
    say("Tests: units, integration, documentation and its drift")
    results = cargo_test()
    say("The suite of the demo, end to end")
    end_to_end()
    say("The plugin and its clock")
    plugin_tests()
    say("Hazards: what a smaller number could silently weaken")
    hazards = [venv(), ROOT / "tests" / "hazards" / "run.py", "--testdiet", build(release=False)]
    run(hazards)
    run([*hazards, "--fast-time", ROOT / "python"])
    say("Random suites of sleeps and timeouts")
    run([venv(), ROOT / "tests" / "timing" / "run.py", "--testdiet", build(release=False)])
    say("Mutated sources: nothing panics, nothing changes outside of edits, a second fix has nothing to do")
    fuzz("--seconds", "60")
    say("Everything passes")
    print("\n".join(results))
    print(f"m2 end to end: ok; all of it took {time.monotonic() - started:.0f} s", flush=True)


def plugin_tests():
    """The pytest plugin's own tests, and m2 on virtual time without an edit."""
    others = ("pytest-xdist", "pytest-timeout", "pytest-asyncio", "anyio", "coverage", "hypothesis", "freezegun", "time-machine")
    python = venv(("pytest", *others))
    env = {"PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-q", "-p", "no:cacheprovider", "-p", "testdiet.plugin"]
    run([python, "-m", "pytest", *options, "tests/plugin"], env=env)
    run([python, "-m", "pytest", *options, "--fast-time"], cwd=copy_suite(target() / "m2-fast-time"), env=env)


def fuzz(*options):
    """Mutates the cases and the interpreter's own tests; see examples/fuzz.rs. What fails is kept in target/fuzz."""
    # Debian has its own tests in a package that need not be there.
    library = Path(sysconfig.get_path("stdlib")) / "test"
    sources = [ROOT / "tests" / "cases", ROOT / "tests" / "suites", *([library] if library.is_dir() else [])]
    run([CARGO, "run", "--locked", "--quiet", "--example", "fuzz", "--", f"--keep={target() / 'fuzz'}", *options, *sources])


def cargo_test():
    """Runs `cargo test`; hands back its closing lines, which are far up by the time the rest has run."""
    references = target() / "snapshots-referenced.txt"
    references.unlink(missing_ok=True)
    # A snapshot that differs fails and is not rewritten; insta lists those that are compared with.
    env = {**os.environ, "INSTA_UPDATE": "no", "INSTA_SNAPSHOT_REFERENCES_FILE": str(references)}
    command = [CARGO, "test", "--locked"]
    print("$ " + " ".join(command), flush=True)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, encoding="utf-8", errors="replace", **pipes)
    results, name = [], ""
    for line in process.stdout:
        print(line, end="", flush=True)
        line = line.strip()
        if line.startswith(("Running ", "Doc-tests ")):
            name = line.split(" (")[0]
        elif line.startswith("test result:"):
            results.append(f"{name}: {line}")
    if process.wait() != 0:
        raise Failed(f"`cargo test` ended with {process.returncode}")
    referenced = {Path(line).name for line in references.read_text(encoding="utf-8").splitlines()}
    unreferenced = sorted({path.name for path in (ROOT / "snapshots").glob("*.snap")} - referenced)
    if unreferenced:
        raise Failed("no test compares with these in snapshots/, so delete them: " + ", ".join(unreferenced))
    return results


def end_to_end():
    """Fixes m2 for real: every test passes before and after, no assertion is lost, a second run changes nothing."""
    python, testdiet = venv(), build(release=False)
    suite = copy_suite(target() / "m2")
    before = measure(testdiet, python, suite)
    original = texts(suite)
    fix = [testdiet, "fix", "--unsafe-fixes", "--statistics"]
    fixed = fix_twice(fix, suite, original)
    run([testdiet, "undo"], cwd=suite)
    if texts(suite) != original:
        raise Failed("`testdiet undo` did not bring every file back as it was")
    run([*fix, "--quiet"], cwd=suite, good=(0, 1))
    if texts(suite) != fixed:
        raise Failed("another run after `undo` did not give the same")
    # Nothing that the post-mortem names remains, sleeps apart: one test waits for a file's time to change.
    run([testdiet, "check", "--select", "join-without-timeout,too-many-threads,large-allocation,loop-impact"], cwd=suite)
    after = measure(testdiet, python, suite)
    shrunk = copy_suite(target() / "m2-shrunk")
    fix_twice([*fix, *SHRINK], shrunk, original)
    smaller = measure(testdiet, python, shrunk)
    table(before=before, smaller_numbers=smaller, with_the_clock=after)
    # Sleeps count for what was asked for, so none of these depends on how fast the machine is.
    for now, sleep, threads in ((after, 0.02, 8), (smaller, 0.22, 11)):
        same_tests_pass(before, now)
        if now["sleep"] > before["sleep"] * sleep or now["threads"] > threads or now["bare_joins"]:
            raise Failed(f"more than {sleep:.0%} of the sleep, {threads} threads at once or a join without a timeout are left")


def fix_twice(fix, suite, original):
    """Fixes a suite, keeping every assertion, such that nothing is left to fix; the texts after it."""
    run(fix, cwd=suite, good=(0, 1))
    fixed = texts(suite)
    if fixed == original:
        raise Failed("`testdiet fix` changed nothing")
    assertions_kept(original, fixed)
    run([*fix, "--quiet"], cwd=suite, good=(0, 1))
    if texts(suite) != fixed:
        raise Failed("a second run changed something")
    return fixed


def same_tests_pass(before, after):
    bad = [test for test, outcome in before["outcomes"].items() if outcome != "passed"]
    if bad or before["outcomes"] != after["outcomes"]:
        changed = [f"{t}: {o} → {after['outcomes'].get(t, 'gone')}" for t, o in before["outcomes"].items()]
        raise Failed("not every test passes before and after:\n" + "\n".join(c for c in changed if "passed → passed" not in c))


def texts(suite):
    return {path.relative_to(suite).as_posix(): path.read_bytes() for path in sorted(suite.rglob("*.py"))}


def assertions_kept(original, fixed):
    """Each function asserts what it asserted, but for the numbers: nothing is gone, something may have come."""
    for file, source in original.items():
        was, now = assertions(source), assertions(fixed[file])
        for function, asserted in was.items():
            left = list(now.get(function, []))
            for one in asserted:
                if one not in left:
                    raise Failed(f"{file}: {function} no longer asserts {one}")
                left.remove(one)


def assertions(source):
    """Assertions by function, numbers masked: `assert` statements, `pytest.raises` and unittest's methods."""
    found = {}

    def visit(node, name):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                visit(child, f"{name}.{child.name}" if name else child.name)
                continue
            called = child.func if isinstance(child, ast.Call) else None
            method = getattr(called, "attr", getattr(called, "id", ""))
            if isinstance(child, ast.Assert) or method.startswith(("assert", "raises", "fail")):
                found.setdefault(name or "the module", []).append(masked(child))
            visit(child, name)

    visit(ast.parse(source), "")
    return found


def masked(node):
    class Mask(ast.NodeTransformer):
        def visit_Constant(self, node):
            number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
            return ast.copy_location(ast.Name("NUMBER", ast.Load()), node) if number else node

    return ast.unparse(Mask().visit(ast.parse(ast.unparse(node))))


# ---- what reaches people ----------------------------------------------------------------------------------------------


def hooks(*options):
    python = venv(("maturin", "pre-commit"))
    prove = [python, ROOT / "packaging" / "pre-commit" / "prove.py"]
    if options == ("--rust",):
        run([*prove, "--rust"])
        return
    wheels = target() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    run([python, "-m", "maturin", "build", "--profile", "dev", "--locked", f"--out={wheels}"])
    run([*prove, wheels])


def pictures():
    """The page, and a review as it looks on a terminal: see docs/pictures.py."""
    testdiet = build(release=True)
    run([venv(("pytest", "pyte")), ROOT / "docs" / "pictures.py", testdiet])


def main(arguments):
    if sys.version_info < (3, 9):
        return "dev.py needs Python 3.9 or newer"
    commands = {"demo": demo, "test": test, "hooks": hooks, "fuzz": fuzz, "pictures": pictures, "venv": lambda *more: print(venv(("pytest", *more)))}
    if not arguments or arguments[0] not in commands or (len(arguments) > 1 and arguments[0] not in ("hooks", "fuzz", "venv")):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]](*arguments[1:])
    except (Failed, subprocess.CalledProcessError, FileNotFoundError) as error:
        return f"\nerror: {error}"
    return 0


if __name__ == "__main__":
    # A console that cannot print `→` must not stop the work.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    sys.exit(main(sys.argv[1:]))
