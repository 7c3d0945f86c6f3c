#!/usr/bin/env python3
"""Runs testdiet's hooks with the real pre-commit in a scratch repository.

    python3 packaging/pre-commit/prove.py WHEELS    the generated mirror, with a wheel from this folder and cargo off PATH
    python3 packaging/pre-commit/prove.py --rust    this repository's last commit itself, which pre-commit compiles (minutes)

Needs pre-commit in the interpreter that runs it; `python3 dev.py hooks` sees to that, and builds the wheel.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import mirror  # noqa: E402

SLEEPS = "import time\n\n\ndef test_a():\n    time.sleep(2)\n"
JOINS = "import threading\n\n\ndef work():\n    pass\n\n\ndef test_b():\n    t = threading.Thread(target=work)\n    t.start()\n    t.join()\n"
CONFIG = "repos:\n  - repo: {repo}\n    rev: {rev}\n    hooks:\n      - id: testdiet-fix\n      - id: testdiet\n"


def run(command, cwd, env=None, good=(0,)):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    ended = subprocess.run(command, cwd=cwd, env=env, text=True, encoding="utf-8", errors="replace", **pipes)
    if ended.returncode not in good:
        sys.exit(f"`{' '.join(map(str, command))}` ended with {ended.returncode}\n{ended.stdout}")
    return ended.stdout


def git(cwd, *args):
    user = ["-c", "user.name=testdiet", "-c", "user.email=testdiet@localhost"]
    return run(["git", *user, *args], cwd).strip()


def commit(folder):
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return git(folder, "rev-parse", "HEAD")


def without_rust(folder):
    """A PATH with everything that there is but Rust."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in place.iterdir() if place.is_dir() else ():
            link = folder / program.name
            if not program.name.startswith(("cargo", "rust", "maturin", "testdiet")) and not link.is_symlink():
                link.symlink_to(program)
    assert not any(shutil.which(program, path=str(folder)) for program in ("cargo", "rustc", "testdiet"))
    return str(folder)


def expect(output, said):
    if said not in output:
        sys.exit(f"expected `{said}` in\n{output}")


def prove(repo, rev, env, scratch):
    project = scratch / "project"
    (project / "tests").mkdir(parents=True)
    (project / "src").mkdir()
    files = {"tests/test_a.py": SLEEPS, "tests/test_b.py": JOINS, "tests/old/test_c.py": SLEEPS, "src/product.py": SLEEPS}
    files["pyproject.toml"] = '[tool.testdiet]\nextend-exclude = ["tests/old"]\n'
    files[".pre-commit-config.yaml"] = CONFIG.format(repo=repo, rev=rev)
    for name, text in files.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    commit(project)
    hooks = [sys.executable, "-m", "pre_commit", "run", "--color", "never"]

    told = run([*hooks, "--all-files"], project, env, good=(1,))
    print(told, end="", flush=True)
    expect(told, "files were modified by this hook")
    expect(told, "tests/test_a.py:5:5")
    for left_out in ("product.py", "test_c.py"):
        if left_out in told:
            sys.exit(f"{left_out} was looked at, although pre-commit only passed it on")
    expect((project / "tests/test_b.py").read_text(encoding="utf-8"), "t.join(timeout=5.0)\n    assert not t.is_alive()\n")

    (project / "tests/test_a.py").write_text(SLEEPS.replace("2", "0.2"), encoding="utf-8")
    git(project, "add", "-A")
    told = run([*hooks, "--all-files"], project, env)
    print(told, end="", flush=True)
    if told.count("Passed") != 2:
        sys.exit("both hooks should have passed")
    git(project, "commit", "-qm", "fixed")
    (project / "src/product.py").write_text(SLEEPS.replace("2", "3"), encoding="utf-8")
    git(project, "add", "-A")
    run(hooks, project, env)


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="testdiet-hooks-") as folder:
        scratch = Path(folder)
        env = {**os.environ, "PRE_COMMIT_HOME": str(scratch / "cache")}
        if arguments == ["--rust"]:
            prove(mirror.ROOT, git(mirror.ROOT, "rev-parse", "HEAD"), env, scratch)
        else:
            wheels = Path(arguments[0]).resolve()
            mirror.generate(scratch / "mirror")
            env.update(PATH=without_rust(scratch / "bin"), PIP_FIND_LINKS=str(wheels), PIP_DISABLE_PIP_VERSION_CHECK="1")
            prove(scratch / "mirror", commit(scratch / "mirror"), env, scratch)
    print("both hooks do what they should")


if __name__ == "__main__":
    main(sys.argv[1:])
