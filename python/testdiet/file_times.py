"""Reading when files changed. Files are written in real time, so whoever compares their times has to be on real time too.

PYTEST_DONT_REWRITE
"""

import ast
import inspect
import textwrap

#: The fields of ``os.stat_result`` that tell it.
FILE_TIME_FIELDS = frozenset(f"st_{which}time{unit}" for which in "mac" for unit in ("", "_ns"))
_FILE_TIME_NAMES = FILE_TIME_FIELDS | {"getmtime", "getatime", "getctime", "ST_MTIME", "ST_ATIME", "ST_CTIME"}

_compared = {}


def reads_file_times(function, seen=None):
    """Whether a function's code, or that of functions of its module that it names, reads the times of files, and not just to put
    them back."""
    code = getattr(function, "__code__", None)
    seen = set() if seen is None else seen
    if code is None or code in seen:
        return False
    seen.add(code)
    names = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names.update(constant.co_names)
    if names & _FILE_TIME_NAMES and compares_file_times(code):
        return True
    namespace = getattr(function, "__globals__", {})
    here = namespace.get("__name__")
    named = (namespace.get(name) for name in names)
    return any(getattr(value, "__module__", None) == here and reads_file_times(value, seen) for value in named)


def compares_file_times(code):
    """Whether code that reads file times may do more with them than hand them to ``os.utime``, in that very call."""
    if code not in _compared:
        _compared[code] = not _put_back_only(code)
    return _compared[code]


def _put_back_only(code):
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    put_back = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _identifier(node.func) == "utime":
            put_back.update(ast.walk(node))
    reads = [node for node in ast.walk(tree) if _identifier(node) in _FILE_TIME_NAMES]
    return bool(reads) and put_back.issuperset(reads)


def _identifier(node):
    return getattr(node, "attr", None) or getattr(node, "id", None)
