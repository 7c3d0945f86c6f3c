//! The syntax tree against CPython's own `ast`, on CPython's own tests.
//!
//! `oracle/ast_dump.py` prints what `ast.parse` sees in each file of `Lib/test` as facts (kind, position, detail);
//! the same facts are read off the lowered tree, and the two must be equal as multisets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rayon::prelude::*;
use testdiet::python::ast::{
    ArgKind, Ast, BinaryOp, Clause, CompareOp, ComprehensionKind, ExprId, ExprKind, ParamKind, StmtId, StmtKind,
};
use testdiet::python::lower::lower;
use testdiet::query::{Own, Queries};
use testdiet::source::{SourceFile, Span};

/// Reads facts off a tree.
struct Facts<'a> {
    ast: &'a Ast,
    text: &'a str,
    lines: Vec<u32>,
    /// Whether CPython knows where expressions in f-strings are.
    in_strings: bool,
    out: Vec<String>,
}

impl Facts<'_> {
    fn position(&self, offset: u32) -> (usize, u32) {
        let line = self.lines.partition_point(|&start| start <= offset);
        (line, offset - self.lines[line - 1])
    }

    fn fact(&mut self, kind: &str, span: Span, detail: &str) {
        let ((start_line, start), (end_line, end)) = (self.position(span.start), self.position(span.end));
        self.out.push(format!("{kind} {start_line} {start} {end_line} {end} {detail}"));
    }

    fn block(&mut self, block: &[StmtId]) {
        block.iter().for_each(|&id| self.stmt(id));
    }

    /// Where CPython ends a statement: a compound one with the last of its last block and the `;` after that.
    fn end(&self, id: StmtId) -> u32 {
        let stmt = self.ast.stmt(id);
        let mut last = None;
        stmt.kind.blocks(&mut |block| last = block.last().copied().or(last));
        let Some(last) = last else { return stmt.span.end };
        let end = self.end(last);
        let rest = &self.text[end as usize..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if rest[blank..].starts_with(';') { end + u32::try_from(blank).unwrap() + 1 } else { end }
    }

    fn stmt(&mut self, id: StmtId) {
        let ast = self.ast;
        let stmt = ast.stmt(id);
        let span = Span::new(stmt.span.start, self.end(id));
        let asynchronous = |is_async: bool, kind: &str| if is_async { format!("Async{kind}") } else { kind.to_owned() };
        match &stmt.kind {
            StmtKind::Function(f) => {
                let of = |kind: ParamKind| f.params.iter().filter(move |p| p.kind == kind).map(|p| ast.name(p.name).to_owned());
                let mut params: Vec<String> = of(ParamKind::PositionalOnly).collect();
                params.push("/".to_owned());
                params.extend(of(ParamKind::Normal));
                params.push("*".to_owned());
                params.extend(of(ParamKind::KeywordOnly));
                params.extend(of(ParamKind::Star).map(|name| format!("*{name}")));
                params.extend(of(ParamKind::DoubleStar).map(|name| format!("**{name}")));
                let defaults = f.params.iter().filter(|p| p.default.is_some()).count();
                let prefix = if f.is_async { "async " } else { "" };
                let detail = format!("{prefix}{} {} {defaults} {}", ast.name(f.name), params.join(","), f.body.len());
                self.fact("FunctionDef", span, &detail);
            }
            StmtKind::Class(c) => {
                let bases = c.args.iter().filter(|a| matches!(a.kind, ArgKind::Positional | ArgKind::Star)).count();
                let detail = format!("{} {bases} {} {}", ast.name(c.name), c.args.len() - bases, c.body.len());
                self.fact("ClassDef", span, &detail);
                self.args(&c.args);
            }
            StmtKind::Assign { targets, annotation: None, .. } => self.fact("Assign", span, &targets.len().to_string()),
            StmtKind::Assign { value, .. } => self.fact("AnnAssign", span, &u8::from(value.is_some()).to_string()),
            StmtKind::AugAssign { .. } => self.fact("AugAssign", span, ""),
            StmtKind::For { body, orelse, is_async, .. } => {
                self.fact(&asynchronous(*is_async, "For"), span, &format!("{} {}", body.len(), orelse.len()));
            }
            StmtKind::While { body, orelse, .. } => self.fact("While", span, &format!("{} {}", body.len(), orelse.len())),
            StmtKind::If { body, orelse, .. } => self.fact("If", span, &format!("{} {}", body.len(), orelse.len())),
            StmtKind::With { items, body, is_async } => {
                self.fact(&asynchronous(*is_async, "With"), span, &format!("{} {}", items.len(), body.len()));
            }
            StmtKind::Try { body, handlers, orelse, finally } => {
                let detail = format!("{} {} {} {}", body.len(), handlers.len(), orelse.len(), finally.len());
                self.fact("Try", span, &detail);
                for handler in handlers {
                    let name = handler.name.map_or("", |(name, _)| ast.name(name));
                    self.out.push(format!("handler {name} {}", handler.body.len()));
                }
            }
            StmtKind::Match { cases, .. } => {
                self.fact("Match", span, &cases.len().to_string());
                for case in cases {
                    let mut captures: Vec<&str> = case.captures.iter().map(|&name| ast.name(name)).collect();
                    captures.sort_unstable();
                    self.out.push(format!("case {} {}", captures.join(","), case.body.len()));
                }
            }
            StmtKind::Return(value) => self.fact("Return", span, &u8::from(value.is_some()).to_string()),
            StmtKind::Raise(_) => self.fact("Raise", span, ""),
            StmtKind::Assert { message, .. } => self.fact("Assert", span, &u8::from(message.is_some()).to_string()),
            StmtKind::Expr(_) => self.fact("Expr", span, ""),
            StmtKind::Import(names) => self.fact("Import", span, &aliases(ast, names)),
            StmtKind::ImportFrom { level, module, names } => {
                self.fact("ImportFrom", span, &format!("{level} {module} {}", aliases(ast, names)));
            }
            StmtKind::Global(names) => self.fact("Global", span, &names.len().to_string()),
            StmtKind::Nonlocal(names) => self.fact("Nonlocal", span, &names.len().to_string()),
            StmtKind::Delete(targets) => self.fact("Delete", span, &targets.len().to_string()),
            StmtKind::Break => self.fact("Break", span, ""),
            StmtKind::Continue => self.fact("Continue", span, ""),
            StmtKind::Other(_) => {
                if self.text[span.range()].starts_with("type") {
                    return;
                }
            }
        }
        stmt.kind.exprs(&mut |expr| self.expr(expr));
        stmt.kind.blocks(&mut |block| self.block(block));
    }

    fn args(&mut self, args: &[testdiet::python::ast::Arg]) {
        for arg in args {
            match arg.kind {
                ArgKind::Positional => {}
                ArgKind::Keyword(name) => self.fact("keyword", arg.span, self.ast.name(name)),
                ArgKind::Star => self.fact("Starred", arg.span, ""),
                ArgKind::DoubleStar => self.fact("keyword", arg.span, "**"),
            }
        }
    }

    fn expr(&mut self, id: ExprId) {
        let ast = self.ast;
        let span = ast.expr(id).span;
        let kind = &ast.expr(id).kind;
        let mut count = |kind: &str, n: usize| self.fact(kind, span, &n.to_string());
        match kind {
            ExprKind::Name(name) => self.fact("Name", span, ast.name(*name)),
            ExprKind::Attribute { attr, .. } => self.fact("Attribute", span, ast.name(*attr)),
            ExprKind::Call { args, .. } => {
                let positional = args.iter().filter(|a| matches!(a.kind, ArgKind::Positional | ArgKind::Star)).count();
                self.fact("Call", span, &format!("{positional} {}", args.len() - positional));
                self.args(args);
            }
            ExprKind::Int(value) => self.fact("Int", span, &value.map_or("huge".to_owned(), |v| v.to_string())),
            ExprKind::Float(value) => self.fact("Float", span, &hex(*value)),
            ExprKind::Str { bytes, parts, .. } => {
                if !formatted(&self.text[span.range()]) {
                    self.fact(if *bytes { "Bytes" } else { "Str" }, span, "");
                }
                if !self.in_strings && !parts.is_empty() {
                    return;
                }
            }
            ExprKind::List(items) => count("List", items.len()),
            ExprKind::Tuple(items) => count("Tuple", items.len()),
            ExprKind::Set(items) => count("Set", items.len()),
            ExprKind::Dict(items) => count("Dict", items.len()),
            ExprKind::Comprehension { kind, clauses, .. } => {
                let kind = match kind {
                    ComprehensionKind::List => "ListComp",
                    ComprehensionKind::Set => "SetComp",
                    ComprehensionKind::Dict => "DictComp",
                    ComprehensionKind::Generator => "GeneratorExp",
                };
                count(kind, clauses.iter().filter(|c| matches!(c, Clause::For { .. })).count());
            }
            ExprKind::Lambda { .. } => self.fact("Lambda", span, ""),
            ExprKind::Binary { op, .. } => self.fact("BinOp", span, operator(*op)),
            ExprKind::Unary { .. } | ExprKind::Not(_) => self.fact("UnaryOp", span, ""),
            ExprKind::Compare { rest, .. } => {
                let ops: Vec<&str> = rest.iter().map(|(op, _)| comparison(*op)).collect();
                self.fact("Compare", span, &ops.join(","));
            }
            ExprKind::Subscript { .. } => self.fact("Subscript", span, ""),
            ExprKind::IfElse { .. } => self.fact("IfExp", span, ""),
            ExprKind::Await(_) => self.fact("Await", span, ""),
            ExprKind::Yield { from: true, .. } => self.fact("YieldFrom", span, ""),
            ExprKind::Yield { value, .. } => count("Yield", usize::from(value.is_some())),
            ExprKind::Walrus { .. } => self.fact("NamedExpr", span, ""),
            ExprKind::Starred(_) => self.fact("Starred", span, ""),
            ExprKind::Other(_) => self.fact("Other", span, ""),
            ExprKind::Imaginary
            | ExprKind::Bool(_)
            | ExprKind::None
            | ExprKind::Ellipsis
            | ExprKind::Bool2 { .. }
            | ExprKind::Slice(_) => {}
        }
        if let ExprKind::Lambda { params, body } = kind {
            params.iter().filter_map(|p| p.default).chain([*body]).for_each(|child| self.expr(child));
        } else {
            kind.children(&mut |child| self.expr(child));
        }
    }
}

fn aliases(ast: &Ast, names: &[testdiet::python::ast::Alias]) -> String {
    let alias = |a: &testdiet::python::ast::Alias| format!("{}:{}", a.name, a.asname.map_or("", |name| ast.name(name)));
    names.iter().map(alias).collect::<Vec<_>>().join(",")
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "Add",
        BinaryOp::Sub => "Sub",
        BinaryOp::Mul => "Mult",
        BinaryOp::Div => "Div",
        BinaryOp::FloorDiv => "FloorDiv",
        BinaryOp::Mod => "Mod",
        BinaryOp::Pow => "Pow",
        BinaryOp::MatMul => "MatMult",
        BinaryOp::ShiftLeft => "LShift",
        BinaryOp::ShiftRight => "RShift",
        BinaryOp::BitAnd => "BitAnd",
        BinaryOp::BitOr => "BitOr",
        BinaryOp::BitXor => "BitXor",
    }
}

fn comparison(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "Eq",
        CompareOp::NotEq => "NotEq",
        CompareOp::Lt => "Lt",
        CompareOp::LtE => "LtE",
        CompareOp::Gt => "Gt",
        CompareOp::GtE => "GtE",
        CompareOp::Is => "Is",
        CompareOp::IsNot => "IsNot",
        CompareOp::In => "In",
        CompareOp::NotIn => "NotIn",
    }
}

/// A float as `float.hex` prints it.
fn hex(value: f64) -> String {
    let bits = value.to_bits();
    let (exponent, fraction) = (i64::try_from((bits >> 52) & 0x7ff).unwrap(), bits & ((1 << 52) - 1));
    match (exponent, fraction) {
        (0, 0) => "0x0.0p+0".to_owned(),
        (0x7ff, _) => "inf".to_owned(),
        (0, _) => format!("0x0.{fraction:013x}p-1022"),
        _ => format!("0x1.{fraction:013x}p{:+}", exponent - 1023),
    }
}

/// Whether a string, or one of several side by side, is an f-string (or t-string).
fn formatted(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\\');
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let Some(quote_at) = rest.find(['"', '\'']) else { return false };
        let (prefix, quoted) = rest.split_at(quote_at);
        if prefix.to_ascii_lowercase().contains(['f', 't']) {
            return true;
        }
        let quotes = if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") { &quoted[..3] } else { &quoted[..1] };
        let mut at = quotes.len();
        while at < quoted.len() && !quoted[at..].starts_with(quotes) {
            at += usize::from(quoted[at..].starts_with('\\'));
            at += quoted[at..].chars().next().map_or(1, char::len_utf8);
        }
        rest = quoted.get(at + quotes.len()..).unwrap_or_default();
    }
}

/// Starts of lines as CPython counts them.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let ends = (0..bytes.len()).filter(|&i| bytes[i] == b'\n' || (bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n')));
    std::iter::once(0).chain(ends.map(|i| u32::try_from(i + 1).unwrap())).collect()
}

/// `Lib/test` of the running CPython; `TESTDIET_PYTHON` names another interpreter.
fn python() -> String {
    std::env::var("TESTDIET_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn lib_test() -> Option<Vec<PathBuf>> {
    // Positions of keyword arguments are known from 3.9 on.
    let script = "import sys, sysconfig; sys.version_info >= (3, 9) or sys.exit(1); print(sysconfig.get_paths()['stdlib'])";
    let output = Command::new(python()).args(["-c", script]).output().ok().filter(|o| o.status.success())?;
    let root = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()).join("test");
    let files = python_files(&root);
    (!files.is_empty()).then_some(files)
}

fn python_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "py") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// What CPython sees in each file; `None` for a file it refuses.
fn oracle(files: &[PathBuf]) -> (bool, BTreeMap<PathBuf, Option<Vec<String>>>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/ast_dump.py");
    let mut child = Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let names = names.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(names.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.split('\n');
    let in_strings = lines.next() == Some("f-strings");
    let mut seen = BTreeMap::new();
    let mut current: Option<PathBuf> = None;
    for line in lines {
        if let Some(path) = line.strip_prefix('!') {
            seen.insert(PathBuf::from(path), None);
        } else if let Some(path) = line.strip_prefix('=') {
            current = Some(PathBuf::from(path));
            seen.insert(PathBuf::from(path), Some(Vec::new()));
        } else if let (false, Some(Some(facts))) = (line.is_empty(), current.as_ref().and_then(|path| seen.get_mut(path))) {
            facts.push(line.to_owned());
        }
    }
    (in_strings, seen)
}

/// What one side has and the other has not.
fn difference(ours: &mut [String], theirs: &mut [String]) -> Vec<String> {
    ours.sort_unstable();
    theirs.sort_unstable();
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < ours.len() || j < theirs.len() {
        match (ours.get(i), theirs.get(j)) {
            (Some(a), Some(b)) if a == b => (i, j) = (i + 1, j + 1),
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                out.push(format!("+ {a}"));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(format!("- {b}"));
                j += 1;
            }
            _ => break,
        }
    }
    out
}

/// What came of comparing a file.
enum Outcome {
    /// CPython refuses it, or its encoding is not one testdiet writes.
    Refused,
    Same,
    Errors(String),
    Differs(String),
}

fn compare(path: &Path, in_strings: bool, theirs: Option<&mut Option<Vec<String>>>) -> Outcome {
    let (Ok(file), Some(Some(theirs))) = (SourceFile::read(path), theirs) else { return Outcome::Refused };
    let text = file.text();
    let ast = lower(text);
    if let Some(first) = ast.errors.last() {
        return Outcome::Errors(format!("{}:{}", path.display(), file.location(first.span.start).row));
    }
    let mut facts = Facts { ast: &ast, text, lines: line_starts(text), in_strings, out: Vec::new() };
    facts.block(&ast.body);
    let difference = difference(&mut facts.out, theirs);
    if difference.is_empty() {
        return Outcome::Same;
    }
    let shown: Vec<String> = difference.iter().take(8).map(|line| format!("  {line}")).collect();
    let shown = shown.join("\n");
    Outcome::Differs(format!("{}: {} facts\n{shown}", path.display(), difference.len()))
}

#[test]
fn the_tree_is_cpythons() {
    let Some(files) = lib_test() else {
        eprintln!("skipped: no CPython with its tests");
        return;
    };
    let size = files.len().div_ceil(rayon::current_num_threads() * 4);
    let outcomes: Vec<(&PathBuf, Outcome)> = files
        .par_chunks(size)
        .flat_map_iter(|chunk| {
            let (in_strings, mut seen) = oracle(chunk);
            chunk.iter().map(move |path| (path, compare(path, in_strings, seen.get_mut(path)))).collect::<Vec<_>>()
        })
        .collect();
    let (mut same, mut refused, mut differ, mut errors) = (0, 0, Vec::new(), Vec::new());
    for (_, outcome) in &outcomes {
        match outcome {
            Outcome::Refused => refused += 1,
            Outcome::Same => same += 1,
            Outcome::Errors(report) => errors.push(report.as_str()),
            Outcome::Differs(report) => differ.push(report.as_str()),
        }
    }
    println!("{same} files are the same, {} differ, {refused} are not compared", differ.len());
    assert!(same > 0);
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(errors.is_empty(), "CPython parses these: {}", errors.join(", "));
}

/// Whether something is written as tree-sitter-python 0.25 does not read it: `type(x).y = z` is a type alias to it, `{*f(x)}` a call of
/// `*f`, parentheses around what is called or looped over are a node, and so is what comes of a line in parentheses that is indented
/// less than its block.
fn misread(text: &str, span: Span) -> bool {
    let before = text[..span.start as usize].trim_end();
    before.ends_with(['*', '(']) || text[span.range()].starts_with(['(']) || text[span.range()].starts_with("type(")
}

/// What queries find in a file: which pattern, and what it captures.
type Found = Vec<(String, Span, [Option<Span>; 3])>;

/// What testdiet's own matching finds in a text, and what tree-sitter finds with the same queries.
fn found(queries: &Queries, text: &str) -> (Found, Found) {
    let ast = lower(text);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for m in queries.run(queries.triggered(text), &ast, text) {
        let span = |id: ExprId| ast.expr(id).span;
        let captured = [m.amount, m.unit, m.receiver].map(|id| id.map(span));
        let into = if m.pattern.custom.is_some() { &mut theirs } else { &mut ours };
        into.push((m.pattern.origin.clone(), span(m.site), captured));
    }
    ours.sort();
    theirs.sort();
    (ours, theirs)
}

#[test]
fn queries_find_what_tree_sitter_finds_with_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Given once more as a project's own, they are run by tree-sitter.
    let own = std::fs::read_dir(root.join("queries")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let file = Path::new("queries").join(path.file_name().unwrap());
        Own { file, text: std::fs::read_to_string(path).unwrap(), rule: 0 }
    });
    let queries = Queries::load(own.collect()).unwrap();
    // In our own tests the two are equal.
    let own = python_files(&root.join("tests"));
    let others = lib_test().unwrap_or_default();
    let files: Vec<(PathBuf, bool)> = own.into_iter().map(|f| (f, true)).chain(others.into_iter().map(|f| (f, false))).collect();
    let differences: Vec<String> = files
        .par_iter()
        .filter_map(|(path, own)| {
            let file = SourceFile::read(path).ok()?;
            let (ours, theirs) = found(&queries, file.text());
            let only = |a: &Found, b: &Found, except: &dyn Fn(Span) -> bool| -> Vec<String> {
                let only = a.iter().filter(|m| !b.contains(m) && !except(m.1));
                only.map(|m| format!("{} {:?}", m.0, file.slice(m.1))).collect()
            };
            let more = only(&ours, &theirs, &|span| !own && misread(file.text(), span));
            let fewer = only(&theirs, &ours, &|_| false);
            let same = more.is_empty() && fewer.is_empty();
            (!same).then(|| format!("{}: not tree-sitter's: {more:?}; not ours: {fewer:?}", path.display()))
        })
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }
}

/// What is put into files to damage them.
const DAMAGE: &[u8] = b"()[]{}:,.=*'\"\\\n\t @#fx0";

#[test]
fn damaged_files_lower() {
    let Some(files) = lib_test() else {
        eprintln!("skipped: no CPython with its tests");
        return;
    };
    let mut random = Random(1);
    let mut damaged = 0;
    for path in files.iter().step_by(2) {
        let Ok(file) = SourceFile::read(path) else { continue };
        // A part of each file is enough.
        let text = file.text();
        let from = text.floor_char_boundary(random.below(text.len()));
        let mut bytes = text.as_bytes()[from..text.floor_char_boundary(from + 4_000)].to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            let with = DAMAGE[random.below(DAMAGE.len())];
            match random.below(3) {
                0 if at < bytes.len() => bytes[at] = with,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, with),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let ast = lower(&text);
        let mut facts = Facts { ast: &ast, text: &text, lines: line_starts(&text), in_strings: true, out: Vec::new() };
        facts.block(&ast.body);
        for (i, stmt) in ast.stmts.iter().enumerate() {
            assert!(stmt.parent.is_none_or(|parent| (parent.0 as usize) < i));
        }
        assert!(ast.exprs.is_sorted_by_key(|e| e.span.end), "{}", path.display());
        assert!(ast.stmts.is_sorted_by_key(|s| s.span.start), "{}", path.display());
        damaged += 1;
    }
    println!("{damaged} files damaged");
}
