//! What stands at the top of a file of tests, and whether it can be had otherwise than by its name.

use std::rc::Rc;

use super::reach::mentions;
use crate::discover::Suite;
use crate::python::ast::{Ast, ExprKind, StmtId, StmtKind};
use crate::python::lower;
use crate::source::Span;

/// The top level of a file.
pub(super) struct Outline {
    /// In order.
    pub parts: Vec<Rc<Part>>,
}

/// A statement at the top of a file, with its decorators.
pub(super) struct Part {
    pub kind: Kind,
    /// What it defines; `None` where that is not one name.
    pub name: Option<String>,
    pub span: Span,
    /// Decorators and header, up to the body.
    head: Span,
    /// The test functions in it.
    tests: Vec<(String, Span)>,
    /// It is a test, or holds some: whoever imports it has it collected again.
    pub is_collected: bool,
    /// Somebody may get at it without saying its name.
    is_found: bool,
}

/// What a [`Part`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Import,
    /// `NAME = …`
    Constant,
    Function,
    Class,
    Other,
}

/// Decorators after which a function is still only to be had by its name, by the words in them. Others may hand it to somebody.
const HARMLESS: &[&str] = &[
    "fixture",
    "contextmanager",
    "asynccontextmanager",
    "contextlib",
    "pytest",
    "pytest_asyncio",
    "wraps",
    "functools",
    "cache",
    "lru_cache",
    "unittest",
    "skip",
    "skipIf",
    "skipUnless",
    "dataclass",
    "dataclasses",
];

/// Base classes that bring no tests and call nothing of a test's by name.
const BASES: &[&str] =
    &["object", "TestCase", "IsolatedAsyncioTestCase", "unittest", "Thread", "threading", "Exception", "Protocol"];

/// Functions that the test runner calls.
const CALLED: &[&str] = &[
    "setUpModule",
    "tearDownModule",
    "setup_module",
    "teardown_module",
    "setup_function",
    "teardown_function",
    "setup",
    "teardown",
    "load_tests",
];

impl Outline {
    /// `None` for what does not parse.
    pub fn of(text: &str, suite: &Suite) -> Option<Self> {
        let ast = lower::lower(text);
        let part = |&id: &StmtId| Rc::new(Part::of(text, &ast, suite, id));
        ast.errors.is_empty().then(|| Self { parts: ast.body.iter().map(part).collect() })
    }

    /// The part that holds a place.
    pub fn around(&self, place: Span) -> Option<Rc<Part>> {
        self.parts.iter().find(|p| p.span.contains(place)).map(Rc::clone)
    }
}

impl Part {
    fn of(text: &str, ast: &Ast, suite: &Suite, id: StmtId) -> Self {
        let statement = ast.stmt(id);
        let whole = outer(ast, id);
        let (kind, name, body) = match &statement.kind {
            StmtKind::Import(_) | StmtKind::ImportFrom { .. } => (Kind::Import, None, None),
            StmtKind::Function(f) => (Kind::Function, Some(f.name), f.body.first()),
            StmtKind::Class(c) => (Kind::Class, Some(c.name), c.body.first()),
            StmtKind::Assign { targets, .. } => {
                let name = match targets.as_slice() {
                    [target] => match ast.expr(*target).kind {
                        ExprKind::Name(name) => Some(name),
                        _ => None,
                    },
                    _ => None,
                };
                (Kind::Constant, name, None)
            }
            _ => (Kind::Other, None, None),
        };
        let name = name.map(|name| ast.name(name).to_owned());
        let head = Span::new(whole.start, body.map_or(whole.end, |&first| outer(ast, first).start));
        let mut tests = Vec::new();
        if matches!(kind, Kind::Function | Kind::Class) {
            tests_in(ast, suite, id, &mut tests);
        }
        let decorators = &text[whole.start as usize..statement.span.start as usize];
        let fixture = decorators.contains("fixture");
        if fixture && kind == Kind::Function {
            tests.clear();
        }
        let is_test = kind == Kind::Function && !tests.is_empty();
        let harmless = decorators
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix('@'))
            .all(|d| d.split(|c: char| !c.is_alphanumeric() && c != '_').next().is_some_and(|w| HARMLESS.contains(&w)));
        let special = name.as_deref().is_none_or(|n| {
            n.starts_with("pytest_") || n.starts_with("__") || CALLED.contains(&n) || n == "pytestmark" || n == "pytest_plugins"
        });
        // A fixture may have another name, or come to everybody.
        let renamed = fixture && (decorators.contains("name") || decorators.contains("autouse"));
        let bases = match &statement.kind {
            StmtKind::Class(class) => class.args.as_slice(),
            _ => &[],
        };
        let mut words = bases.iter().flat_map(|base| text[base.span.range()].split(|c: char| !c.is_alphanumeric() && c != '_'));
        let inherits = words.any(|word| !word.is_empty() && !BASES.contains(&word));
        // Importing the file is enough to run it.
        let runs = kind == Kind::Constant && text[whole.range()].contains('(');
        let is_found = special || renamed || inherits || runs || !is_test && !harmless;
        Self { kind, name, span: whole, head, is_collected: !tests.is_empty(), tests, is_found }
    }

    /// Its name, if nobody gets at it without saying that.
    pub fn only_by_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| !self.is_found)
    }

    /// The names of the test functions in it.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|(name, _)| name.as_str())
    }

    /// The tests in a class that mention a name, if nothing else in it does.
    pub fn in_tests(&self, text: &str, name: &str) -> Option<Vec<&str>> {
        if self.kind != Kind::Class {
            return None;
        }
        let count = |span: Span| mentions(&text[span.range()], name);
        let tests: Vec<_> = self.tests.iter().filter(|(_, span)| count(*span) > 0).collect();
        let inside: usize = tests.iter().map(|(_, span)| count(*span)).sum();
        (inside > 0 && inside == count(self.span)).then(|| tests.into_iter().map(|(test, _)| test.as_str()).collect())
    }

    /// Whether it is a class that may inherit from what has a name.
    pub fn inherits(&self, text: &str, name: &str) -> bool {
        self.kind == Kind::Class && mentions(&text[self.head.range()], name) > 0
    }
}

/// A statement with its decorators.
fn outer(ast: &Ast, id: StmtId) -> Span {
    match &ast.stmt(id).kind {
        StmtKind::Function(f) => f.outer_span,
        StmtKind::Class(c) => c.outer_span,
        _ => ast.stmt(id).span,
    }
}

/// The names of the test functions in a definition, itself included.
fn tests_in(ast: &Ast, suite: &Suite, id: StmtId, out: &mut Vec<(String, Span)>) {
    let statement = ast.stmt(id);
    if let StmtKind::Function(f) = &statement.kind {
        let name = ast.name(f.name);
        if suite.may_be_test(name) {
            out.push((name.to_owned(), statement.span));
        }
        return;
    }
    statement.kind.blocks(&mut |block| block.iter().for_each(|&inner| tests_in(ast, suite, inner, out)));
}
