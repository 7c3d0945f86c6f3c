"""Makes one file of the plugin, for suites that take no new dependency.

    python -m testdiet.vendor > tests/fast_time_plugin.py

and in the conftest.py of the suite's root folder: ``pytest_plugins = ["tests.fast_time_plugin"]``, or without ``tests.`` where
that is not a package. The file needs nothing but pytest. It is these modules one after the other, without their imports of
each other.
"""

import ast
import os
import sys

#: In this order, each needs nothing but those before it.
MODULES = ("real", "turns", "clock", "file_times", "guards", "locks", "install", "waiting", "plugin")


def vendored():
    """The text of the one file."""
    folder = os.path.dirname(os.path.abspath(__file__))
    parts = [
        '"""Virtual time for tests with real threads: pytest\'s plugin of testdiet in one file. Made by testdiet.vendor.\n\n'
        'PYTEST_DONT_REWRITE\n"""\n'
    ]
    for name in MODULES:
        with open(os.path.join(folder, name + ".py"), encoding="utf-8") as file:
            parts.append(f"\n# ---- {name} " + "-" * (120 - len(name)) + "\n" + without_own_imports(file.read()))
    return "\n".join(parts)


def without_own_imports(text):
    """A module's text without its docstring, and with nothing of `from testdiet.` left."""
    lines = text.splitlines()
    tree = ast.parse(text)
    for number in range(tree.body[0].lineno - 1, tree.body[0].end_lineno):
        lines[number] = None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("testdiet"):
            for number in range(node.lineno - 1, node.end_lineno):
                lines[number] = None
    return "\n".join(line for line in lines if line is not None).strip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(vendored())
