#!/usr/bin/env python3
"""Generates a repository for pre-commit that installs the released wheel of testdiet, so that nobody has to have Rust.

    python3 packaging/pre-commit/mirror.py FOLDER

The hooks are those of .pre-commit-hooks.yaml with another language; the rest comes from the templates beside this file.
Commit what it writes to the mirror and tag it with the version.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TEMPLATES = ("pyproject.toml", "README.md")


def version():
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.+)"$', manifest, re.MULTILINE).group(1)


def generate(folder):
    """Writes the mirror's files; hands back the version they install."""
    released = version()
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    hooks = "".join(line for line in hooks.splitlines(keepends=True) if not line.startswith("#"))
    if hooks.count("  language: rust\n") != hooks.count("- id: "):
        raise SystemExit("a hook of .pre-commit-hooks.yaml is not `language: rust`")
    files = {".pre-commit-hooks.yaml": hooks.replace("  language: rust\n", "  language: python\n")}
    for name in TEMPLATES:
        files[name] = (HERE / name).read_text(encoding="utf-8").replace("{version}", released)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8"))
    return released


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(generate(Path(sys.argv[1])))
