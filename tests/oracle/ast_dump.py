"""Prints what CPython's own parser sees in each file named on standard input, for tests/lowering.rs.

One line a file, then one line a fact: kind, start line, start column, end line, end column (UTF-8 bytes), detail.
A file CPython refuses has only its first line, marked with "!".
"""

import ast
import io
import sys


class Facts(ast.NodeVisitor):
    def __init__(self):
        self.out = []

    def fact(self, kind, node, detail=""):
        self.out.append(f"{kind} {node.lineno} {node.col_offset} {node.end_lineno} {node.end_col_offset} {detail}")

    def visit_JoinedStr(self, node):
        # Before 3.12 positions inside an f-string are not those of the file.
        if sys.version_info >= (3, 12):
            for value in node.values:
                if not isinstance(value, ast.Constant):
                    self.visit(value.value)
                    if value.format_spec is not None:
                        self.visit(value.format_spec)

    visit_TemplateStr = visit_JoinedStr

    def visit_MatchValue(self, node):
        # The tree keeps of a pattern only the names it binds.
        pass

    def visit_MatchMapping(self, node):
        for pattern in node.patterns:
            self.visit(pattern)

    def visit_MatchClass(self, node):
        for pattern in node.patterns + node.kwd_patterns:
            self.visit(pattern)

    def visit_TypeAlias(self, node):
        # Its parameters are not kept.
        pass

    def visit_definition(self, node):
        for field, value in ast.iter_fields(node):
            if field != "type_params":
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        self.visit(child)

    def visit_Call(self, node):
        self.fact("Call", node, f"{len(node.args)} {len(node.keywords)}")
        self.generic_visit(node)

    def visit_Name(self, node):
        self.fact("Name", node, node.id)

    def visit_Attribute(self, node):
        self.fact("Attribute", node, node.attr)
        self.generic_visit(node)

    def visit_Constant(self, node):
        if type(node.value) is int:
            value = node.value if abs(node.value) < 2**127 else "huge"
            self.fact("Int", node, value)
        elif type(node.value) is float:
            self.fact("Float", node, node.value.hex())
        elif type(node.value) is str:
            self.fact("Str", node)
        elif type(node.value) is bytes:
            self.fact("Bytes", node)

    def visit_FunctionDef(self, node):
        a = node.args
        params = [p.arg for p in a.posonlyargs] + ["/"] + [p.arg for p in a.args] + ["*"] + [p.arg for p in a.kwonlyargs]
        params += ["*" + p.arg for p in [a.vararg] if p] + ["**" + p.arg for p in [a.kwarg] if p]
        defaults = len(a.defaults) + sum(d is not None for d in a.kw_defaults)
        prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
        self.fact("FunctionDef", node, f"{prefix}{node.name} {','.join(params)} {defaults} {len(node.body)}")
        self.visit_definition(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.fact("ClassDef", node, f"{node.name} {len(node.bases)} {len(node.keywords)} {len(node.body)}")
        self.visit_definition(node)

    def visit_keyword(self, node):
        self.fact("keyword", node, node.arg or "**")
        self.generic_visit(node)

    def visit_Import(self, node):
        names = ",".join(f"{a.name}:{a.asname or ''}" for a in node.names)
        self.fact("Import", node, names)

    def visit_ImportFrom(self, node):
        names = ",".join(f"{a.name}:{a.asname or ''}" for a in node.names)
        self.fact("ImportFrom", node, f"{node.level} {node.module or ''} {names}")

    def visit_BinOp(self, node):
        self.fact("BinOp", node, type(node.op).__name__)
        self.generic_visit(node)

    def visit_Compare(self, node):
        self.fact("Compare", node, ",".join(type(op).__name__ for op in node.ops))
        self.generic_visit(node)

    def visit_ExceptHandler(self, node):
        self.out.append(f"handler {node.name or ''} {len(node.body)}")
        self.generic_visit(node)

    def visit_match_case(self, node):
        captures = set()
        for pattern in ast.walk(node.pattern):
            if isinstance(pattern, (ast.MatchAs, ast.MatchStar)) and pattern.name:
                captures.add(pattern.name)
            elif isinstance(pattern, ast.MatchMapping) and pattern.rest:
                captures.add(pattern.rest)
        self.out.append(f"case {','.join(sorted(captures))} {len(node.body)}")
        self.generic_visit(node)


def counted(kind, *lists):
    """A visitor of statements whose parts need no more than being counted."""

    def visit(self, node):
        counts = []
        for name in lists:
            value = getattr(node, name)
            counts.append(str(len(value)) if isinstance(value, list) else str(int(value is not None)))
        self.fact(kind, node, " ".join(counts))
        self.generic_visit(node)

    return visit


for kind, *lists in [
    ("For", "body", "orelse"),
    ("AsyncFor", "body", "orelse"),
    ("While", "body", "orelse"),
    ("If", "body", "orelse"),
    ("With", "items", "body"),
    ("AsyncWith", "items", "body"),
    ("Try", "body", "handlers", "orelse", "finalbody"),
    ("Assert", "msg"),
    ("Assign", "targets"),
    ("AugAssign",),
    ("AnnAssign", "value"),
    ("Return", "value"),
    ("Raise",),
    ("Delete", "targets"),
    ("Expr",),
    ("Global", "names"),
    ("Nonlocal", "names"),
    ("Break",),
    ("Continue",),
    ("Match", "cases"),
    ("Tuple", "elts"),
    ("List", "elts"),
    ("Set", "elts"),
    ("Dict", "values"),
    ("Subscript",),
    ("Starred",),
    ("UnaryOp",),
    ("IfExp",),
    ("Lambda",),
    ("Await",),
    ("Yield", "value"),
    ("YieldFrom",),
    ("NamedExpr",),
    ("ListComp", "generators"),
    ("SetComp", "generators"),
    ("DictComp", "generators"),
    ("GeneratorExp", "generators"),
]:
    setattr(Facts, "visit_" + kind, counted(kind, *lists))
Facts.visit_TryStar = Facts.visit_Try


def main():
    sys.setrecursionlimit(20000)
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    print("f-strings" if sys.version_info >= (3, 12) else "no f-strings", file=out)
    for path in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"):
        path = path.rstrip("\n")
        with open(path, "rb") as f:
            source = f.read()
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            print("!" + path, file=out)
            continue
        facts = Facts()
        facts.visit(tree)
        print("=" + path, file=out)
        print("\n".join(facts.out), file=out)
    out.flush()


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    main()
