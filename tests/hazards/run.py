#!/usr/bin/env python3
"""Fixes the suite of hazards and checks that no test proves less: see README.md."""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Runs of pytest side by side: nearly all of it is sleep.
SHARDS = 6


def functions(folder):
    """The source of each test with the module's constants that it names, by `module::name`."""
    out = {}
    for path in sorted(folder.glob("test_*.py")):
        text = path.read_text()
        body = ast.parse(text).body
        constants = {t.id: ast.unparse(n) for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                used = [constants[name] for name in sorted(named & constants.keys())]
                out[f"{path.stem}::{node.name}"] = "\n".join([*used, *text.splitlines()[start - 1 : node.end_lineno]])
    return out


def outcomes(project, seeds, plugin=None):
    """Which faults each test survives, by test; sleeping modules side by side."""
    files = sorted(str(p) for p in (project / "suite").glob("test_*.py"))

    def run(shard):
        out = project / f"outcomes-{seeds}-{shard}.json"
        folders = [project / "product", HERE, *([plugin] if plugin else [])]
        env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, folders)), PYTHONDONTWRITEBYTECODE="1")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "seeds", "-p", "no:cacheprovider", f"--seeds={seeds}", f"--outcomes={out}"]
        command += ["-p", "testdiet.plugin"] if plugin else []
        # pytest exits with 1: faults are caught.
        ran = subprocess.run(command + files[shard::SHARDS], cwd=project, env=env, capture_output=True, text=True, timeout=300)
        if ran.returncode not in (0, 1) or not out.exists():
            sys.exit(f"pytest could not run:\n{ran.stdout[-4000:]}{ran.stderr[-4000:]}")
        return json.loads(out.read_text()), ran.stdout

    merged, said = {}, []
    with ThreadPoolExecutor(SHARDS) as pool:
        for result, stdout in pool.map(run, range(SHARDS)):
            merged.update(result)
            said.append(stdout)
    return merged, "\n".join(said)


def fix(testdiet, project):
    # A marker changes nothing about what a test proves when it runs.
    command = [testdiet, "fix", "--unsafe-fixes", "--select", "ALL", "--ignore", "missing-slow-marker,unregistered-marker"]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    if ran.returncode not in (0, 1):
        sys.exit(f"testdiet fix failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testdiet", required=True, type=Path)
    parser.add_argument("--fast-time", type=Path, help="the folder with testdiet's pytest plugin: fix with virtual time, too")
    parser.add_argument("--keep", type=Path, help="work here, and leave it there")
    args = parser.parse_args()
    testdiet = str(args.testdiet.resolve())
    work = (args.keep or Path(tempfile.mkdtemp(prefix="hazards-"))).resolve()
    project = work / "project"
    shutil.rmtree(project, ignore_errors=True)
    for name in ("product", "suite"):
        shutil.copytree(HERE / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = '[tool.pytest.ini_options]\ntestpaths = ["suite"]\npythonpath = ["product"]\n'
    plugin = args.fast_time.resolve() if args.fast_time else None
    (project / "pyproject.toml").write_text(config + ("[tool.testdiet.fix]\nfast-time = true\n" if plugin else ""))
    wrong = []
    before_text = functions(project / "suite")
    before, said = outcomes(project, "before", plugin)
    wrong += [f"{test}: fails before any fix" for test, faults in before.items() if not faults["none"]]
    fix(testdiet, project)
    after_text = functions(project / "suite")
    after, said_after = outcomes(project, "after", plugin)
    for test, text in before_text.items():
        changed = after_text.get(test) != text
        kind = test.split("::")[1]
        if plugin:
            continue  # what had to be left alone may run on virtual time
        if kind.startswith("test_treat") and not changed:
            wrong.append(f"{test}: not treated")
        if kind.startswith("test_leave") and changed:
            wrong.append(f"{test}: not left alone:\n{after_text.get(test)}")
    caught = 0
    for test, faults in after.items():
        if not faults["none"]:
            wrong.append(f"{test}: fails after the fix:\n{after_text.get(test)}")
    for test, faults in before.items():
        for fault, passed in faults.items():
            if fault != "none" and not passed:
                caught += 1
                if after.get(test, {}).get(fault, True):
                    wrong.append(f"{test}: no longer catches `{fault}`:\n{after_text.get(test)}")
    # A fault that is seeded and that no test of its module catches seeds nothing.
    for module in sorted({test.split("::")[0] for test in after}):
        faults = {f for test, all_ in after.items() if test.startswith(f"{module}::") for f in all_} - {"none"}
        for fault in sorted(faults):
            if all(all_.get(fault, True) for test, all_ in after.items() if test.startswith(f"{module}::")):
                wrong.append(f"{module}: nothing catches `{fault}` after the fix")
    second = {p: p.read_text() for p in (project / "suite").glob("*.py")}
    fix(testdiet, project)
    wrong += [f"{p.name}: a second fix changes it" for p, text in second.items() if p.read_text() != text]
    if wrong:
        print("\n".join(wrong))
        if args.keep:
            print(said[-3000:], said_after[-3000:])
        sys.exit(1)
    print(f"{len(before_text)} tests, {caught} faults caught before and after; nothing weakened")
    if not args.keep:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
