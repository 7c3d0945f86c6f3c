//! Turns a text into the [`Ast`].
//!
//! ruff's parser reads the text: it accepts what CPython accepts, in a tenth of the time that tree-sitter takes. Its tree is
//! lowered in one walk. Statements get their ids on the way in (parents first), expressions on the way out (children first):
//! the orders that [`Ast::expr_at`] and whoever walks the tree rely on.

mod expression;
mod literal;
mod statement;

use ruff_python_ast::token::{Token, TokenKind, Tokens};
use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{self as ruff, AnyNodeRef, PySourceType};
use ruff_python_parser::{ParseError, parse_unchecked_source};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::ast::{Ast, Expr, ExprId, ExprKind, Stmt, StmtId, StmtKind, Symbol, SyntaxError};
use crate::source::Span;

/// How many expressions and statements may contain one another. CPython's own limits are 100 blocks and 200
/// brackets; long chains (`a + b + …`, `a.b().c()…`, `elif`) nest as well. The bound lets whoever walks the tree
/// recurse, on the 2 MiB stacks of worker threads and in debug builds too.
pub const MAX_DEPTH: usize = 500;

/// Bytes of stack that lowering one node may take, and by how many bytes the stack grows where less is left. Whoever calls may
/// have used up much of its own.
const STACK: (usize, usize) = (128 << 10, 2 << 20);

/// Parses a text and lowers its tree.
#[must_use]
pub fn lower(text: &str) -> Ast {
    lower_with(text, |_| ()).0
}

/// As [`lower`], with the tokens of the text in order, comments and newlines among them.
#[must_use]
pub fn lower_with_tokens(text: &str) -> (Ast, Vec<(TokenKind, Span)>) {
    let token = |token: &Token| (token.kind(), span(token.range()));
    let (ast, tokens) = lower_with(text, |tokens| tokens.iter().map(token).collect());
    (ast, tokens.unwrap_or_default())
}

fn lower_with<T>(text: &str, tokens: impl FnOnce(&Tokens) -> T) -> (Ast, Option<T>) {
    if let Some(at) = bottomless(text) {
        return (Ast { errors: vec![too_deep(Span::at(at))], too_deep: true, ..Ast::default() }, None);
    }
    let parsed = parse_unchecked_source(text, PySourceType::Python);
    let mut lowering = Lowering::new(text);
    lowering.ast.errors = parsed.errors().iter().map(|error| syntax_error(error, text)).collect();
    let comments = parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment);
    lowering.ast.comments = comments.map(|token| span(token.range())).collect();
    let body = lowering.block(parsed.suite(), None);
    let tokens = Some(tokens(parsed.tokens()));
    let mut ast = lowering.ast;
    ast.body = body;
    if ast.too_deep {
        // To drop it recurses, and would overflow the stack: such a tree is left to the end of the process.
        std::mem::forget(parsed);
    }
    ast.errors.sort_unstable();
    let ordered = || ast.exprs.is_sorted_by_key(|e| e.span.end) && ast.stmts.is_sorted_by_key(|s| s.span.start);
    if !ast.errors.is_empty() && !ordered() {
        // What the parser made of a damaged text is not the text in its order. Nothing can be found in it.
        ast = Ast { errors: ast.errors, comments: ast.comments, too_deep: ast.too_deep, ..Ast::default() };
    }
    (ast, tokens)
}

/// Where brackets or signs are nested so deeply that parsing them would take gigabytes: ruff's parser takes 2 KB of stack for each.
/// A few thousand are left to it, and a text that is too short for more is not looked at. Brackets in strings count as well, but
/// only up to the next line that starts with a letter, at which none is open in a text that is Python.
fn bottomless(text: &str) -> Option<u32> {
    const LIMIT: u32 = 20_000;
    let (mut brackets, mut signs, mut starts) = (0_u32, 0, true);
    if text.len() < LIMIT as usize {
        return None;
    }
    for (at, byte) in (0..).zip(text.bytes()) {
        match byte {
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'-' | b'+' | b'~' => signs += 1,
            b' ' | b'\t' => {}
            b'a'..=b'z' | b'A'..=b'Z' if starts => (brackets, signs) = (0, 0),
            _ => signs = 0,
        }
        if brackets > LIMIT || signs > LIMIT {
            return Some(at);
        }
        starts = matches!(byte, b'\n' | b'\r');
    }
    None
}

fn too_deep(span: Span) -> SyntaxError {
    SyntaxError { span, message: format!("nested more than {MAX_DEPTH} deep") }
}

fn syntax_error(error: &ParseError, text: &str) -> SyntaxError {
    let before = text.get(..error.location.start().to_usize()).unwrap_or_default();
    let line = before.rsplit(['\n', '\r', ';', ':']).next().unwrap_or_default().trim();
    let mut message = match line {
        "print" | "exec" => format!("`{line}` is a function since Python 3"),
        _ => error.error.to_string(),
    };
    // It becomes part of a sentence; what starts with a name or a letter of its own (`f-string: …`) stays.
    if let [first @ b'A'..=b'Z', b'a'..=b'z', ..] = *message.as_bytes() {
        message.replace_range(..1, &char::from(first).to_ascii_lowercase().to_string());
    }
    SyntaxError { span: span(error.location), message }
}

fn span(range: TextRange) -> Span {
    Span::new(range.start().to_u32(), range.end().to_u32())
}

/// Whether something that is not lowered is nested more deeply than [`MAX_DEPTH`].
#[derive(Default)]
struct Depth {
    depth: usize,
    exceeded: bool,
}

impl<'a> SourceOrderVisitor<'a> for Depth {
    fn enter_node(&mut self, _: AnyNodeRef<'a>) -> TraversalSignal {
        self.depth += 1;
        self.exceeded |= self.depth > MAX_DEPTH;
        if self.exceeded { TraversalSignal::Skip } else { TraversalSignal::Traverse }
    }

    fn leave_node(&mut self, _: AnyNodeRef<'a>) {
        self.depth -= 1;
    }
}

/// A walk over ruff's tree.
struct Lowering<'a> {
    text: &'a str,
    ast: Ast,
    symbols: FxHashMap<&'a str, Symbol>,
    /// The statement that expressions belong to.
    stmt: StmtId,
    /// Number of expressions and statements around.
    depth: usize,
}

impl<'a> Lowering<'a> {
    fn new(text: &'a str) -> Self {
        // Measured on CPython's own tests: one expression for 11 bytes, one statement for 40.
        let ast =
            Ast { exprs: Vec::with_capacity(text.len() / 10), stmts: Vec::with_capacity(text.len() / 35), ..Ast::default() };
        Self { text, ast, symbols: FxHashMap::with_capacity_and_hasher(256, FxBuildHasher), stmt: StmtId(0), depth: 0 }
    }

    fn too_deep(&mut self, span: Span) {
        self.ast.too_deep = true;
        self.ast.errors.push(too_deep(span));
    }

    fn new_expr(&mut self, kind: ExprKind, span: Span) -> ExprId {
        let id = ExprId(u32::try_from(self.ast.exprs.len()).unwrap_or(u32::MAX));
        let exprs = &mut self.ast.exprs;
        kind.children(&mut |child| exprs[child.0 as usize].parent = Some(id));
        exprs.push(Expr { kind, span, parent: None, stmt: self.stmt });
        id
    }

    fn new_stmt(&mut self, span: Span, parent: Option<StmtId>) -> StmtId {
        let id = StmtId(u32::try_from(self.ast.stmts.len()).unwrap_or(u32::MAX));
        self.ast.stmts.push(Stmt { kind: StmtKind::Other(Vec::new()), span, parent });
        id
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn name(&mut self, name: &'a ruff::Identifier) -> (Symbol, Span) {
        (self.intern(name.as_str()), span(name.range()))
    }

    fn intern(&mut self, text: &'a str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol(u32::try_from(self.ast.names.len()).unwrap_or(u32::MAX));
        self.ast.names.push(text.to_owned());
        self.symbols.insert(text, symbol);
        symbol
    }
}

#[cfg(test)]
mod tests;
