//! What stands at the top of a file of tests, and whether it can be had otherwise than by its name.

use std::rc::Rc;

use tree_sitter::Node;

use super::reach::mentions;
use crate::discover::Suite;
use crate::python::concrete;
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
        let tree = concrete::parse(text)?;
        let root = tree.root_node();
        if root.has_error() {
            return None;
        }
        let mut cursor = root.walk();
        let parts = root.named_children(&mut cursor).filter(|n| n.kind() != "comment");
        Some(Self { parts: parts.map(|n| Rc::new(Part::of(text, suite, n))).collect() })
    }

    /// The part that holds a place.
    pub fn around(&self, place: Span) -> Option<Rc<Part>> {
        self.parts.iter().find(|p| p.span.contains(place)).map(Rc::clone)
    }
}

impl Part {
    fn of(text: &str, suite: &Suite, node: Node<'_>) -> Self {
        let definition = if node.kind() == "decorated_definition" { node.child_by_field_name("definition") } else { None };
        let inner = definition.unwrap_or(node);
        let kind = match inner.kind() {
            "import_statement" | "import_from_statement" | "future_import_statement" => Kind::Import,
            "function_definition" => Kind::Function,
            "class_definition" => Kind::Class,
            "expression_statement" if inner.named_child(0).is_some_and(|n| n.kind() == "assignment") => Kind::Constant,
            _ => Kind::Other,
        };
        let name = match kind {
            Kind::Function | Kind::Class => inner.child_by_field_name("name"),
            Kind::Constant => {
                let target = inner.named_child(0).and_then(|n| n.child_by_field_name("left"));
                target.filter(|t| t.kind() == "identifier")
            }
            Kind::Import | Kind::Other => None,
        };
        let name = name.and_then(|n| text.get(n.byte_range())).map(str::to_owned);
        let body = inner.child_by_field_name("body").map_or(node.end_byte(), |b| b.start_byte());
        let head = span(node.start_byte(), body);
        let mut tests = Vec::new();
        if matches!(kind, Kind::Function | Kind::Class) {
            tests_in(text, suite, inner, &mut tests);
        }
        let decorators = &text[node.start_byte()..inner.start_byte()];
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
        let inherits = kind == Kind::Class
            && inner.child_by_field_name("superclasses").is_some_and(|bases| {
                let words = text[bases.byte_range()].split(|c: char| !c.is_alphanumeric() && c != '_');
                words.into_iter().any(|w| !w.is_empty() && !BASES.contains(&w))
            });
        // Importing the file is enough to run it.
        let runs = kind == Kind::Constant && text[node.byte_range()].contains('(');
        let is_found = special || renamed || inherits || runs || !is_test && !harmless;
        Self {
            kind,
            name,
            span: span(node.start_byte(), node.end_byte()),
            head,
            is_collected: !tests.is_empty(),
            tests,
            is_found,
        }
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

fn span(start: usize, end: usize) -> Span {
    let at = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Span::new(at(start), at(end))
}

/// The names of the test functions in a definition, itself included.
fn tests_in(text: &str, suite: &Suite, node: Node<'_>, out: &mut Vec<(String, Span)>) {
    if node.kind() == "function_definition" {
        let name = node.child_by_field_name("name").and_then(|n| text.get(n.byte_range()));
        out.extend(name.filter(|n| suite.may_be_test(n)).map(|n| (n.to_owned(), span(node.start_byte(), node.end_byte()))));
        return;
    }
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        tests_in(text, suite, child, out);
    }
}
