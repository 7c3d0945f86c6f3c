//! Turns tree-sitter's concrete tree into the [`Ast`].
//!
//! One walk over the tree with a cursor, as a shift-reduce machine: entering a node opens a [`Frame`], leaves push
//! [`Item`]s, and leaving a node replaces the items of its frame by what they amount to. Nothing recurses, so no
//! input can overflow the stack. Statements get their ids on the way in (parents first), expressions on the way
//! out (children first): the two orders that [`Ast::stmt_at`] and [`Ast::expr_at`] search by.
//!
//! The shape of a node is read from the order of its parts and the tokens between them; that is cheaper than
//! tree-sitter's fields, and a node whose parts are not as expected (inside an ERROR) becomes `Other`.

mod kind;
mod literal;
mod shape;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tree_sitter::{Node, Parser, Tree, TreeCursor};

use self::kind::{Kind, augmented_operator, is_statement, is_token, nests, splats_the_whole, takes_block};
use self::literal::Literal;
use self::shape::{Item, Value, all_exprs, arguments, block, expression, exprs, exprs_of, has, named, statements};
use super::ast::{
    Alias, Arg, ArgKind, Ast, Case, Class, Expr, ExprId, ExprKind, Function, Handler, Param, ParamKind, Stmt, StmtId, StmtKind,
    Symbol,
};
use crate::source::Span;

/// How many expressions and statements may contain one another. CPython's own limits are 100 blocks and 200
/// brackets; long chains (`a + b + …`, `a.b().c()…`, `elif`) nest as well. The bound lets whoever walks the tree
/// recurse, on the 2 MiB stacks of worker threads and in debug builds too.
pub const MAX_DEPTH: u32 = 500;

/// Parses a text; `None` only if tree-sitter refuses its own grammar, which a test rules out.
#[must_use]
pub fn parse(text: &str) -> Option<Tree> {
    thread_local! {
        static PARSER: RefCell<Option<Parser>> = RefCell::new(parser());
    }
    PARSER.with_borrow_mut(|parser| parser.as_mut()?.parse(text, None))
}

fn parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    Some(parser)
}

/// Lowers the tree of a text.
#[must_use]
pub fn lower(tree: &Tree, text: &str) -> Ast {
    let root = tree.root_node();
    let mut lowering = Lowering::new(text, root.has_error());
    lowering.walk(root);
    let mut ast = lowering.ast;
    // Something is missing where nothing was looked for, as between lines that end in a lone CR.
    if root.has_error() && ast.errors.is_empty() {
        ast.errors.push(Span::at(0));
    }
    ast
}

/// Identifiers are short and come from the file itself: `FxHash`'s multiply-and-rotate, as rustc uses, beats the
/// standard hasher threefold here and needs no protection against chosen keys.
#[derive(Default)]
struct FxHasher(u64);

impl Hasher for FxHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.write_u64(chunk.iter().fold(0, |word, &b| word << 8 | u64::from(b)));
        }
        self.write_u64(chunks.remainder().iter().fold(0, |word, &b| word << 8 | u64::from(b)));
    }

    fn write_u8(&mut self, _: u8) {
        // The terminator of `str`'s hash: the length is not needed to tell identifiers apart.
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        // The table indexes by the low bits, the multiplication mixes into the high ones.
        self.0.rotate_left(26)
    }
}

/// A node whose children are being walked.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: Kind,
    /// Statements may stand directly in it.
    holds_statements: bool,
    /// Within a `case` pattern, where only the names it captures matter.
    pattern: bool,
    /// Parameters from here on are keyword-only.
    keyword_only: bool,
    /// End of the last comma directly in it; 0 without one.
    comma: u32,
    span: Span,
    /// Its first item in [`Lowering::items`].
    first: usize,
    /// Length, when it was opened, of the side stack its kind drains when it is left.
    mark: usize,
    /// Number of expressions and statements around.
    depth: u32,
    /// The statement its expressions belong to; [`NO_STMT`] for the module.
    stmt: StmtId,
    /// The statement around its statements.
    owner: Option<StmtId>,
}

/// In a module's frame.
const NO_STMT: StmtId = StmtId(u32::MAX);

/// The machine: see the module's documentation.
struct Lowering<'t> {
    text: &'t str,
    kinds: &'static [Kind],
    /// Whether ERROR and MISSING nodes are to be looked for.
    has_error: bool,
    ast: Ast,
    symbols: HashMap<&'t str, Symbol, BuildHasherDefault<FxHasher>>,
    frames: Vec<Frame>,
    items: Vec<Item>,
    // Parts that do not fit an item, drained by the node they belong to.
    params: Vec<Param>,
    handlers: Vec<Handler>,
    cases: Vec<Case>,
    captures: Vec<Symbol>,
    /// Set in a statement that is one of [`TypeCall`].
    type_call: Option<TypeCall>,
}

/// `type(x).y = z`, which tree-sitter takes for a type alias, the parentheses being the alias's name. In an alias
/// an identifier follows `type`, so the two can be told apart, and the call put together from the parentheses.
#[derive(Debug, Clone, Copy)]
struct TypeCall {
    /// `type`, as an expression.
    func: ExprId,
    /// Where `type` is.
    start: u32,
    /// Where `(` is.
    paren: u32,
}

impl<'t> Lowering<'t> {
    fn new(text: &'t str, has_error: bool) -> Self {
        // Measured on CPython's own tests: one expression for 11 bytes, one statement for 40.
        let ast =
            Ast { exprs: Vec::with_capacity(text.len() / 10), stmts: Vec::with_capacity(text.len() / 35), ..Ast::default() };
        Self {
            text,
            kinds: kind::table(),
            has_error,
            ast,
            symbols: HashMap::with_capacity_and_hasher(256, BuildHasherDefault::default()),
            frames: Vec::with_capacity(64),
            items: Vec::with_capacity(256),
            params: Vec::new(),
            handlers: Vec::new(),
            cases: Vec::new(),
            captures: Vec::new(),
            type_call: None,
        }
    }

    fn walk(&mut self, root: Node<'_>) {
        let span = span_of(root);
        let mut stmt = NO_STMT;
        if root.is_error() {
            self.ast.errors.push(span);
            stmt = self.new_stmt(span, None);
            self.push(Kind::Error, span, Value::Stmt(stmt));
        }
        self.frames.push(Frame {
            kind: Kind::Module,
            holds_statements: true,
            pattern: false,
            keyword_only: false,
            comma: 0,
            span,
            first: 0,
            mark: 0,
            depth: 0,
            stmt,
            owner: None,
        });
        let mut cursor: TreeCursor<'_> = root.walk();
        if cursor.goto_first_child() {
            'nodes: loop {
                if self.enter(cursor.node()) {
                    if cursor.goto_first_child() {
                        continue;
                    }
                    self.leave();
                }
                while !cursor.goto_next_sibling() {
                    // The root's frame is not left: what it holds is the body.
                    if self.frames.len() <= 1 || !cursor.goto_parent() {
                        break 'nodes;
                    }
                    self.leave();
                }
            }
        }
        if root.is_error() {
            self.ast.stmts[stmt.0 as usize].kind = StmtKind::Other(all_exprs(&self.items));
        }
        self.ast.body.extend(statements(&self.items));
    }

    // ---- On the way in ----

    /// Shifts a leaf, or opens a frame for a node whose children are to be walked (then `true`).
    fn enter(&mut self, node: Node<'_>) -> bool {
        // ERROR has an id beyond the grammar's.
        let kind = self.kinds.get(usize::from(node.kind_id())).copied().unwrap_or(Kind::Error);
        if self.has_error && node.is_missing() {
            self.missing(kind, span_of(node));
            return false;
        }
        match kind {
            Kind::Punctuation | Kind::LineContinuation | Kind::StringStart | Kind::StringEnd | Kind::TypeConversion => false,
            Kind::StringContent => self.has_error && node.has_error() && self.open(kind, span_of(node)),
            Kind::Comma => {
                let end = span_of(node).end;
                self.top().comma = end;
                false
            }
            Kind::Comment => {
                // To the grammar, the CR of a CRLF is the comment's.
                let span = span_of(node);
                let own = self.slice(span).trim_end_matches('\r').len();
                self.ast.comments.push(Span::new(span.start, span.start + u32::try_from(own).unwrap_or_default()));
                false
            }
            Kind::Identifier => {
                let span = span_of(node);
                let symbol = self.intern(span);
                self.identifier(symbol, span);
                false
            }
            Kind::String => {
                let span = span_of(node);
                let literal = Literal::new(self.slice(span));
                if literal.formatted || (self.has_error && node.has_error()) {
                    return self.open(kind, span);
                }
                if self.top().kind == Kind::ConcatenatedString {
                    self.push(kind, span, Value::Token);
                } else {
                    let mut text = Some(String::new());
                    let len = Some(literal.decode(&mut text));
                    self.leaf(kind, span, ExprKind::Str { bytes: literal.bytes, text, len, parts: Vec::new() });
                }
                false
            }
            Kind::Integer | Kind::Float | Kind::True | Kind::False | Kind::None | Kind::Ellipsis => {
                let span = span_of(node);
                let text = self.slice(span);
                let value = match kind {
                    Kind::Integer => literal::integer(text),
                    Kind::Float => literal::float(text),
                    Kind::True => ExprKind::Bool(true),
                    Kind::False => ExprKind::Bool(false),
                    Kind::None => ExprKind::None,
                    _ => ExprKind::Ellipsis,
                };
                self.leaf(kind, span, value);
                false
            }
            Kind::KeywordSeparator => {
                self.top().keyword_only = true;
                false
            }
            Kind::PositionalSeparator => {
                let from = self.top().mark;
                for param in self.params.iter_mut().skip(from).filter(|p| p.kind == ParamKind::Normal) {
                    param.kind = ParamKind::PositionalOnly;
                }
                false
            }
            Kind::ImportPrefix | Kind::WildcardImport => {
                self.push(kind, span_of(node), Value::Token);
                false
            }
            _ if is_token(kind) => {
                self.push(kind, span_of(node), Value::Token);
                false
            }
            _ => self.open(kind, span_of(node)),
        }
    }

    /// A MISSING node: tree-sitter's guess at a token that would have made sense of the rest.
    fn missing(&mut self, kind: Kind, span: Span) {
        self.ast.errors.push(span);
        match kind {
            Kind::Identifier => {
                let symbol = self.intern(span);
                self.identifier(symbol, span);
            }
            Kind::Integer | Kind::Float | Kind::True | Kind::False | Kind::None | Kind::Ellipsis => {
                self.leaf(kind, span, ExprKind::Other(Vec::new()));
            }
            _ if is_token(kind) => self.push(kind, span, Value::Token),
            _ => {}
        }
    }

    /// An identifier: an expression, unless the node around it makes it a name.
    fn identifier(&mut self, symbol: Symbol, span: Span) {
        let above = |n: usize| self.frames.get(self.frames.len().wrapping_sub(n)).map_or(Kind::Unknown, |f| f.kind);
        let parent = self.frames.last().copied();
        let parts = parent.map_or(0, |f| self.items.len() - f.first);
        let is_name = match above(1) {
            Kind::Attribute | Kind::MemberType => parts > 0,
            Kind::KeywordArgument | Kind::DefaultParameter | Kind::TypedDefaultParameter => parts == 0,
            Kind::Function
            | Kind::Class
            | Kind::DottedName
            | Kind::AliasedImport
            | Kind::Global
            | Kind::Nonlocal
            | Kind::TypedParameter => true,
            Kind::ListSplatPattern | Kind::DictionarySplatPattern => {
                matches!(above(2), Kind::Parameters | Kind::LambdaParameters | Kind::TypedParameter)
            }
            Kind::ExceptClause => matches!(self.items.last(), Some(Item { kind: Kind::As, .. })),
            Kind::AsPatternTarget => above(2) == Kind::AsPattern && above(3) == Kind::ExceptClause,
            Kind::Parameters | Kind::LambdaParameters => {
                self.param(symbol, span, ParamKind::Normal, None, None, span);
                return;
            }
            _ => parent.is_some_and(|f| f.pattern),
        };
        if is_name {
            self.push(Kind::Identifier, span, Value::Name(symbol));
        } else if span.start == span.end {
            self.leaf(Kind::Identifier, span, ExprKind::Other(Vec::new()));
        } else {
            self.leaf(Kind::Identifier, span, ExprKind::Name(symbol));
        }
    }

    /// Opens a frame; `false` where the node is too deep to be walked.
    fn open(&mut self, kind: Kind, span: Span) -> bool {
        let Some(&parent) = self.frames.last() else { return false };
        let grandparent = self.frames.iter().rev().nth(1).map_or(Kind::Unknown, |f| f.kind);
        let mut frame = Frame {
            kind,
            holds_statements: false,
            pattern: parent.pattern || kind == Kind::CasePattern,
            keyword_only: false,
            comma: 0,
            span,
            first: self.items.len(),
            mark: 0,
            depth: parent.depth,
            stmt: parent.stmt,
            owner: parent.owner,
        };
        if kind == Kind::Error {
            self.ast.errors.push(span);
        }
        if parent.pattern {
            self.frames.push(frame);
            return true;
        }
        // A part that is not where the grammar has it: it can only be in an ERROR, and is nothing but its expressions.
        let misplaced = match kind {
            Kind::Function | Kind::Class => !parent.holds_statements && parent.kind != Kind::Decorated,
            _ if is_statement(kind) => !parent.holds_statements,
            Kind::Block => !(takes_block(parent.kind) || (parent.kind == Kind::Error && parent.holds_statements)),
            Kind::ElifClause => parent.kind != Kind::If,
            Kind::ElseClause => !matches!(parent.kind, Kind::If | Kind::For | Kind::While | Kind::Try),
            Kind::ExceptClause | Kind::FinallyClause => parent.kind != Kind::Try,
            Kind::CaseClause => !(parent.kind == Kind::Block && grandparent == Kind::Match),
            _ => false,
        };
        if misplaced {
            frame.kind = Kind::Unknown;
        }
        if parent.stmt == NO_STMT && !is_statement(frame.kind) && kind != Kind::Error {
            return false;
        }
        if nests(frame.kind) {
            frame.depth += 1;
            if frame.depth > MAX_DEPTH {
                self.too_deep(frame);
                return false;
            }
        }
        match frame.kind {
            Kind::Function | Kind::Class if parent.kind == Kind::Decorated => {
                // The decorated definition, opened already, is the statement.
                self.ast.stmts[parent.stmt.0 as usize].span = span;
                frame.mark = self.params.len();
            }
            Kind::Block => {
                // Of a `match`, it holds cases.
                frame.holds_statements = parent.kind != Kind::Match;
                if matches!(parent.kind, Kind::ExceptClause | Kind::Match) {
                    self.fold_header(parent);
                }
                frame.first = self.items.len();
                self.push(kind, span, Value::Head(0));
            }
            Kind::ElifClause => {
                let rest = Span::new(span.start, parent.span.end);
                let id = self.new_stmt(rest, parent.owner);
                self.ast.stmt_aliases.push((span, id));
                frame.stmt = id;
                frame.owner = Some(id);
                // What follows is nested in this clause.
                let around = self.top();
                around.owner = Some(id);
                around.depth += 1;
            }
            Kind::Error if parent.holds_statements => {
                frame.stmt = self.new_stmt(span, parent.owner);
                frame.holds_statements = true;
            }
            Kind::ArgumentList | Kind::DottedName | Kind::AliasedImport => self.push(kind, span, Value::Head(0)),
            Kind::Parameters => {
                self.push(kind, span, Value::Token);
                frame.mark = self.params.len();
            }
            Kind::Lambda | Kind::LambdaParameters => frame.mark = self.params.len(),
            Kind::CaseClause => frame.mark = self.captures.len(),
            _ if is_statement(frame.kind) => {
                let id = self.new_stmt(span, parent.owner);
                frame.stmt = id;
                frame.owner = Some(id);
                match frame.kind {
                    Kind::Decorated => self.ast.stmt_aliases.push((span, id)),
                    Kind::Function => frame.mark = self.params.len(),
                    Kind::Try => frame.mark = self.handlers.len(),
                    Kind::Match => frame.mark = self.cases.len(),
                    _ => {}
                }
            }
            _ => {}
        }
        self.frames.push(frame);
        if frame.kind == Kind::TypeAlias {
            self.find_type_call(span);
        }
        true
    }

    fn find_type_call(&mut self, alias: Span) {
        let name = Span::new(alias.start, (alias.start + 4).min(alias.end));
        let rest = self.slice(Span::new(name.end, alias.end)).trim_start_matches([' ', '\t', '\x0c']);
        if self.slice(name) == "type" && rest.starts_with('(') {
            let symbol = self.intern(name);
            let stmt = self.top().stmt;
            let func = self.new_expr(ExprKind::Name(symbol), name, stmt);
            let paren = alias.end - u32::try_from(rest.len()).unwrap_or_default();
            self.type_call = Some(TypeCall { func, start: alias.start, paren });
        }
    }

    /// Stands in for a node that is nested too deeply.
    fn too_deep(&mut self, frame: Frame) {
        self.ast.too_deep = true;
        self.ast.errors.push(frame.span);
        if is_statement(frame.kind) {
            let id = self.new_stmt(frame.span, frame.owner);
            self.push(frame.kind, frame.span, Value::Stmt(id));
        } else if frame.kind != Kind::ElifClause {
            self.leaf(frame.kind, frame.span, ExprKind::Other(Vec::new()));
        }
    }

    /// `except A, B:` and `match a, b:` have a tuple without a node of its own. It is made before their block is
    /// walked, to keep expressions in the order of their ends.
    fn fold_header(&mut self, header: Frame) {
        let items = &self.items[header.first..];
        let fits = items.iter().all(|item| !matches!(item.kind, Kind::As)) && exprs(items).next().is_some();
        if fits && header.comma > 0 {
            let tuple = self.fold(header.first, header);
            self.items.truncate(header.first);
            self.push(Kind::Tuple, self.ast.expr(tuple).span, Value::Expr(tuple));
        }
    }

    // ---- On the way out ----

    /// Replaces the items of the innermost frame by what they amount to.
    fn leave(&mut self) {
        let Some(mut frame) = self.frames.pop() else { return };
        let parent = self.frames.last().map_or(Kind::Unknown, |f| f.kind);
        if frame.pattern {
            self.leave_pattern(frame, parent);
            return;
        }
        if let Some(call) = self.type_call.filter(|call| call.paren == frame.span.start) {
            let arguments = frame.span;
            frame.span.start = call.start;
            if matches!(frame.kind, Kind::Parenthesized | Kind::Tuple | Kind::GeneratorExpression) {
                self.leave_type_call(frame, call, arguments);
                return;
            }
        }
        match self.items.get(frame.first) {
            Some(&Item { kind: Kind::ListSplat, value: Value::Star(operand), .. }) if splats_the_whole(frame.kind) => {
                self.leave_splatted(frame, operand, parent);
            }
            _ => self.reduce(frame, parent),
        }
    }

    /// Replaces the items of a frame, taken off the stack, by what they amount to.
    fn reduce(&mut self, frame: Frame, parent: Kind) {
        match frame.kind {
            // Parts that only hold others, which their parent reads.
            Kind::Chevron
            | Kind::WithClause
            | Kind::AsPatternTarget
            | Kind::Interpolation
            | Kind::FormatSpecifier
            | Kind::FormatExpression
            | Kind::StringContent
            | Kind::RelativeImport
            | Kind::Parameters
            | Kind::LambdaParameters => {}
            Kind::ExpressionList if matches!(parent, Kind::Delete | Kind::Raise) => {}
            Kind::Tuple if parent == Kind::WithItem => {}
            Kind::ArgumentList | Kind::DottedName | Kind::AliasedImport | Kind::Block if self.is_head(frame) => {
                if parent == Kind::Match {
                    self.items.truncate(frame.first);
                } else {
                    self.close_head(frame);
                }
            }
            Kind::ElseClause | Kind::FinallyClause => {
                if let Some(head) = self.items[frame.first..].iter_mut().find(|item| item.kind == Kind::Block) {
                    head.kind = frame.kind;
                }
            }
            // The same expression, under a kind that says what it is for.
            Kind::Decorator | Kind::Type => match exprs(&self.items[frame.first..]).next() {
                Some(id) => self.collapse(frame, Value::Expr(id)),
                None => self.other(frame),
            },
            Kind::Assignment | Kind::AugmentedAssignment => {
                if let Some(left) = self.items[frame.first..].iter_mut().find(|item| matches!(item.value, Value::Expr(_))) {
                    left.kind = Kind::Target;
                }
            }
            Kind::TuplePattern if matches!(parent, Kind::Parameters | Kind::LambdaParameters) => {
                let name = self.intern(frame.span);
                self.items.truncate(frame.first);
                self.param(name, frame.span, ParamKind::Normal, None, None, frame.span);
            }
            // A target in parentheses is a tuple pattern of one without a comma.
            Kind::TuplePattern if frame.comma == 0 && exprs(&self.items[frame.first..]).count() == 1 => {
                if let Some(id) = exprs(&self.items[frame.first..]).next() {
                    self.ast.expr_aliases.push((frame.span, id));
                    self.collapse(frame, Value::Expr(id));
                }
            }
            Kind::Parenthesized | Kind::ParenthesizedSplat => match self.items[frame.first..] {
                [Item { value: Value::Expr(id), .. }] => {
                    self.ast.expr_aliases.push((frame.span, id));
                    self.collapse(frame, Value::Expr(id));
                }
                [Item { value: Value::As(..), .. }] if parent == Kind::WithItem => {}
                _ => self.other(frame),
            },
            Kind::WithItem => {
                for item in &mut self.items[frame.first..] {
                    if let Value::Expr(id) = item.value {
                        item.value = Value::As(id, None);
                    }
                }
            }
            Kind::AsPattern => self.leave_as(frame, parent),
            Kind::TypeParameter => {
                if parent == Kind::GenericType && exprs(&self.items[frame.first..]).next().is_some() {
                    let index = self.index(frame.first, frame);
                    self.collapse(frame, Value::Expr(index));
                } else {
                    // Of a definition: a declaration of names, which [`Function`] has no place for.
                    self.items.truncate(frame.first);
                }
            }
            Kind::TypedParameter | Kind::DefaultParameter | Kind::TypedDefaultParameter => self.leave_parameter(frame, parent),
            Kind::ListSplatPattern | Kind::DictionarySplatPattern => self.leave_splat_pattern(frame, parent),
            Kind::KeywordArgument => match self.items[frame.first..] {
                [Item { value: Value::Name(name), .. }, .., Item { value: Value::Expr(value), .. }] => {
                    self.collapse(frame, Value::Keyword(name, value));
                }
                _ => self.other(frame),
            },
            Kind::ListSplat => match exprs(&self.items[frame.first..]).next() {
                Some(value) => self.splat(frame, value, parent),
                None => self.other(frame),
            },
            Kind::DictionarySplat => match exprs(&self.items[frame.first..]).next() {
                Some(value) if matches!(parent, Kind::ArgumentList | Kind::Dictionary) => {
                    self.collapse(frame, Value::DoubleStar(value));
                }
                _ => self.other(frame),
            },
            // `f"{x:=5}"` is `x` in a width of five: an assignment needs parentheses there.
            Kind::NamedExpression if parent == Kind::Interpolation => {
                self.items.truncate(frame.first + 1);
            }
            Kind::Pair => {
                let mut parts = exprs(&self.items[frame.first..]);
                match (parts.next(), parts.next()) {
                    (Some(key), Some(value)) => self.collapse(frame, Value::Pair(key, value)),
                    _ => self.other(frame),
                }
            }
            Kind::IfClause => match exprs(&self.items[frame.first..]).next() {
                Some(test) => self.collapse(frame, Value::If(test)),
                None => self.other(frame),
            },
            Kind::ForInClause => self.leave_for_clause(frame),
            Kind::String => self.leave_string(frame, parent),
            Kind::ConcatenatedString => {
                let kind = self.joined(frame);
                self.finish(frame, kind);
            }
            Kind::ExceptClause => self.leave_handler(frame),
            Kind::CaseClause => {
                let items = &self.items[frame.first..];
                let guard = items.iter().find_map(|item| if let Value::If(test) = item.value { Some(test) } else { None });
                let body = block(items, Kind::Block);
                let mut captures: Vec<Symbol> = Vec::new();
                for name in self.captures.drain(frame.mark..) {
                    if !captures.contains(&name) {
                        captures.push(name);
                    }
                }
                self.cases.push(Case { captures, guard, body });
                self.items.truncate(frame.first);
            }
            Kind::Lambda => {
                let params = self.params.split_off(frame.mark);
                match exprs(&self.items[frame.first..]).next_back() {
                    Some(body) => self.finish(frame, ExprKind::Lambda { params, body }),
                    None => self.other(frame),
                }
            }
            Kind::Subscript | Kind::GenericType => {
                let value = exprs(&self.items[frame.first..]).next();
                let indices = exprs(&self.items[frame.first..]).count();
                match value {
                    Some(value) if indices > 1 => {
                        let after = self.items[frame.first..].iter().position(|item| matches!(item.value, Value::Expr(_)));
                        let index = self.index(frame.first + after.unwrap_or(0) + 1, frame);
                        self.finish(frame, ExprKind::Subscript { value, index });
                    }
                    _ => self.other(frame),
                }
            }
            Kind::Error if !frame.holds_statements => {
                let inside = all_exprs(&self.items[frame.first..]);
                self.items.truncate(frame.first);
                if !inside.is_empty() {
                    let id = self.new_expr(ExprKind::Other(inside), frame.span, frame.stmt);
                    self.push(Kind::Error, frame.span, Value::Stray(id));
                }
            }
            Kind::Error => {
                let items = &self.items[frame.first..];
                let inside = all_exprs(items);
                let statements: Vec<Item> = items.iter().copied().filter(|i| matches!(i.value, Value::Stmt(_))).collect();
                self.items.truncate(frame.first);
                self.ast.stmts[frame.stmt.0 as usize].kind = StmtKind::Other(inside);
                self.push(Kind::Error, frame.span, Value::Stmt(frame.stmt));
                // They stand in the block the ERROR is in: names bound there are bound all the same.
                self.items.extend(statements);
            }
            kind if is_statement(kind) || kind == Kind::ElifClause => {
                let kind = self.statement(frame);
                self.finish_stmt(frame, parent, kind);
            }
            _ => {
                let kind = expression(self.text, frame, &self.items[frame.first..]);
                match kind {
                    Some(kind) => self.finish(frame, kind),
                    None => self.other(frame),
                }
            }
        }
    }

    /// `*operand`: an argument, or an expression, or part of what it should be around.
    fn splat(&mut self, frame: Frame, operand: ExprId, parent: Kind) {
        let is_first = self.frames.last().is_some_and(|around| around.first == frame.first);
        if parent == Kind::ArgumentList || (is_first && splats_the_whole(parent)) {
            self.collapse(frame, Value::Star(operand));
        } else {
            self.finish(frame, ExprKind::Starred(operand));
        }
    }

    /// In a subscript tree-sitter binds `*` tighter than what follows: `a[*b.c]` is `(*b).c` to it. The operator is
    /// put inside.
    fn leave_splatted(&mut self, frame: Frame, operand: ExprId, parent: Kind) {
        let after = self.slice(frame.span).get(1..).unwrap_or_default();
        let start = frame.span.end - u32::try_from(after.trim_start().len()).unwrap_or_default();
        self.items[frame.first].value = Value::Expr(operand);
        self.reduce(Frame { span: Span::new(start, frame.span.end), ..frame }, parent);
        if let Some(&Item { value: Value::Expr(whole), .. }) = self.items.get(frame.first) {
            self.splat(Frame { kind: Kind::ListSplat, ..frame }, whole, parent);
        }
    }

    /// The parentheses of a [`TypeCall`].
    fn leave_type_call(&mut self, frame: Frame, call: TypeCall, args_span: Span) {
        if frame.kind == Kind::GeneratorExpression {
            self.reduce(Frame { span: args_span, ..frame }, Kind::Call);
        }
        let args = self.items[frame.first..].iter().filter_map(|item| match item.value {
            Value::Expr(value) => Some(Arg { kind: ArgKind::Positional, value, span: item.span }),
            _ => None,
        });
        let kind = ExprKind::Call { func: call.func, args: args.collect(), args_span };
        self.finish(frame, kind);
    }

    /// Names bound by `case` patterns: bare names, `as` targets, and `*rest`. A dotted name is a value, the name
    /// before parentheses a class.
    fn leave_pattern(&mut self, frame: Frame, parent: Kind) {
        let mut names = self.items[frame.first..].iter().filter_map(|item| match item.value {
            Value::Name(name) => Some(name),
            _ => None,
        });
        let captured = match frame.kind {
            Kind::DottedName if parent != Kind::ClassPattern => names.next().filter(|_| names.next().is_none()),
            Kind::AsPattern | Kind::SplatPattern => names.next_back(),
            _ => None,
        };
        if let Some(name) = captured.filter(|&name| self.ast.name(name) != "_") {
            self.captures.push(name);
        }
        self.items.truncate(frame.first);
    }

    /// `value as target`: of a `with`, of an `except`, or out of place.
    fn leave_as(&mut self, frame: Frame, parent: Kind) {
        let items = &self.items[frame.first..];
        let mut parts = exprs(items);
        match (parts.next(), parts.next()) {
            (Some(value), Some(target)) if matches!(parent, Kind::WithItem | Kind::Parenthesized | Kind::Tuple) => {
                self.collapse(frame, Value::As(value, Some(target)));
            }
            // The handler's name is an item for the clause to read.
            (Some(_), None) if parent == Kind::ExceptClause => {}
            _ => self.other(frame),
        }
    }

    fn leave_parameter(&mut self, frame: Frame, parent: Kind) {
        let items = &self.items[frame.first..];
        let annotation = items.iter().find_map(|item| match item.value {
            Value::Expr(id) if item.kind == Kind::Type => Some(id),
            _ => None,
        });
        let default = match items {
            [_, .., Item { value: Value::Expr(id), kind, .. }] if *kind != Kind::Type => Some(*id),
            _ => None,
        };
        let (Some(&first), Kind::Parameters | Kind::LambdaParameters) = (items.first(), parent) else {
            self.other(frame);
            return;
        };
        let kind = match first.kind {
            Kind::ListSplatPattern => ParamKind::Star,
            Kind::DictionarySplatPattern => ParamKind::DoubleStar,
            _ => ParamKind::Normal,
        };
        let name = if let Value::Name(name) = first.value { name } else { self.intern(first.span) };
        self.items.truncate(frame.first);
        self.param(name, first.span, kind, annotation, default, frame.span);
    }

    fn leave_splat_pattern(&mut self, frame: Frame, parent: Kind) {
        let name = named(&self.items[frame.first..]);
        let kind = if frame.kind == Kind::ListSplatPattern { ParamKind::Star } else { ParamKind::DoubleStar };
        match (parent, name) {
            (Kind::TypedParameter, Some((name, span))) => {
                self.items.truncate(frame.first);
                self.push(frame.kind, span, Value::Name(name));
            }
            (Kind::Parameters | Kind::LambdaParameters, name) => {
                self.items.truncate(frame.first);
                let (name, span) = name.unwrap_or_else(|| (self.intern(frame.span), frame.span));
                self.param(name, span, kind, None, None, frame.span);
            }
            _ => match exprs(&self.items[frame.first..]).next() {
                Some(value) if kind == ParamKind::Star => self.finish(frame, ExprKind::Starred(value)),
                _ => self.other(frame),
            },
        }
    }

    /// Adds a parameter to those of the innermost frame.
    fn param(
        &mut self,
        name: Symbol,
        name_span: Span,
        kind: ParamKind,
        annotation: Option<ExprId>,
        default: Option<ExprId>,
        span: Span,
    ) {
        let around = self.top();
        let kind = if kind == ParamKind::Normal && around.keyword_only { ParamKind::KeywordOnly } else { kind };
        around.keyword_only |= kind == ParamKind::Star;
        self.params.push(Param { name, name_span, kind, annotation, default, span });
    }

    fn leave_for_clause(&mut self, frame: Frame) {
        let items = &self.items[frame.first..];
        let is_async = has(items, Kind::Async);
        let target = exprs(items).next();
        let Some(after) = items.iter().position(|item| item.kind == Kind::In).map(|i| frame.first + i + 1) else {
            self.other(frame);
            return;
        };
        let iters = exprs(&self.items[after..]).count();
        match target {
            Some(target) if iters > 0 => {
                let iter = self.index(after, frame);
                self.collapse(frame, Value::For { target, iter, is_async });
            }
            _ => self.other(frame),
        }
    }

    fn leave_string(&mut self, frame: Frame, parent: Kind) {
        if parent == Kind::ConcatenatedString {
            self.push(Kind::String, frame.span, Value::Token);
            return;
        }
        let parts: Vec<ExprId> = exprs(&self.items[frame.first..]).collect();
        let literal = Literal::new(self.slice(frame.span));
        let (text, len) = if parts.is_empty() {
            let mut text = Some(String::new());
            let len = literal.decode(&mut text);
            (text, Some(len))
        } else {
            (None, None)
        };
        self.finish(frame, ExprKind::Str { bytes: literal.bytes, text, len, parts });
    }

    /// Adjacent strings as one.
    fn joined(&self, frame: Frame) -> ExprKind {
        let items = &self.items[frame.first..];
        let parts: Vec<ExprId> = exprs(items).collect();
        let (mut text, mut len, mut bytes) = (parts.is_empty().then(String::new), parts.is_empty().then_some(0), false);
        for piece in items.iter().filter(|item| item.kind == Kind::String && matches!(item.value, Value::Token)) {
            let literal = Literal::new(self.slice(piece.span));
            bytes |= literal.bytes;
            if let Some(len) = &mut len {
                *len += literal.decode(&mut text);
            }
        }
        ExprKind::Str { bytes, text, len, parts }
    }

    fn leave_handler(&mut self, frame: Frame) {
        let items = &self.items[frame.first..];
        let name = named(items);
        let handler = Handler { exception: exprs(items).next(), name, body: block(items, Kind::Block) };
        self.handlers.push(handler);
        self.items.truncate(frame.first);
    }

    /// What a statement is. Parts that are missing (tree-sitter recovers from almost anything) are empty expressions
    /// at its end, so that its body keeps its place.
    fn statement(&mut self, frame: Frame) -> StmtKind {
        match frame.kind {
            Kind::ExpressionStatement => return self.expression_statement(frame),
            Kind::Function => return self.function(frame),
            Kind::Class => return self.class(frame),
            Kind::Import | Kind::ImportFrom | Kind::FutureImport => return self.import(frame),
            Kind::Try => {
                let handlers = self.handlers.split_off(frame.mark);
                let items = &self.items[frame.first..];
                return StmtKind::Try {
                    body: block(items, Kind::Block),
                    handlers,
                    orelse: block(items, Kind::ElseClause),
                    finally: block(items, Kind::FinallyClause),
                };
            }
            Kind::Match => {
                let cases = self.cases.split_off(frame.mark);
                let subject = exprs(&self.items[frame.first..]).next();
                return StmtKind::Match { subject: self.or_hole(subject, frame), cases };
            }
            _ => {}
        }
        let items = &self.items[frame.first..];
        let mut parts = exprs(items);
        match frame.kind {
            Kind::If | Kind::ElifClause | Kind::While => {
                let test = parts.next();
                let (body, orelse) = (block(items, Kind::Block), block(items, Kind::ElseClause));
                let test = self.or_hole(test, frame);
                if frame.kind == Kind::While {
                    StmtKind::While { test, body, orelse }
                } else {
                    StmtKind::If { test, body, orelse }
                }
            }
            Kind::For => {
                let (target, iter) = (parts.next(), parts.next());
                let (body, orelse, is_async) =
                    (block(items, Kind::Block), block(items, Kind::ElseClause), has(items, Kind::Async));
                StmtKind::For { target: self.or_hole(target, frame), iter: self.or_hole(iter, frame), body, orelse, is_async }
            }
            Kind::With => {
                let managers = items.iter().filter_map(|item| match item.value {
                    Value::As(value, target) => Some((value, target)),
                    _ => None,
                });
                StmtKind::With { items: managers.collect(), body: block(items, Kind::Block), is_async: has(items, Kind::Async) }
            }
            Kind::Return => StmtKind::Return(parts.next()),
            Kind::Raise => StmtKind::Raise(parts.collect()),
            Kind::Delete => StmtKind::Delete(parts.collect()),
            Kind::Assert => {
                let (test, message) = (parts.next(), parts.next());
                StmtKind::Assert { test: self.or_hole(test, frame), message }
            }
            Kind::TypeAlias if self.type_call.is_some() => {
                let (target, value) = (parts.next(), parts.next());
                self.type_call = None;
                StmtKind::Assign { targets: target.into_iter().collect(), annotation: None, value }
            }
            Kind::Global | Kind::Nonlocal => {
                let names = items.iter().filter_map(|item| if let Value::Name(name) = item.value { Some(name) } else { None });
                if frame.kind == Kind::Global { StmtKind::Global(names.collect()) } else { StmtKind::Nonlocal(names.collect()) }
            }
            Kind::Break => StmtKind::Break,
            Kind::Continue => StmtKind::Continue,
            _ => StmtKind::Other(all_exprs(items)),
        }
    }

    fn expression_statement(&mut self, frame: Frame) -> StmtKind {
        let items = &self.items[frame.first..];
        if has(items, Kind::Target) {
            let operator = items.iter().find_map(|item| augmented_operator(item.kind));
            let targets: Vec<ExprId> = exprs_of(items, Kind::Target).collect();
            let annotation = exprs_of(items, Kind::Type).next();
            let value = items.last().and_then(|item| match item.value {
                Value::Expr(id) if !matches!(item.kind, Kind::Target | Kind::Type) => Some(id),
                _ => None,
            });
            return match (operator, targets.as_slice(), value) {
                (Some(op), &[target], Some(value)) => StmtKind::AugAssign { target, op, value },
                (None, ..) => StmtKind::Assign { targets, annotation, value },
                _ => StmtKind::Other(all_exprs(items)),
            };
        }
        let mut parts = exprs(items);
        match (parts.next(), parts.next()) {
            (Some(value), None) if frame.comma == 0 => StmtKind::Expr(value),
            (Some(_), _) => StmtKind::Expr(self.fold(frame.first, frame)),
            _ => StmtKind::Other(all_exprs(items)),
        }
    }

    fn function(&mut self, frame: Frame) -> StmtKind {
        let params = self.params.split_off(frame.mark);
        let items = &self.items[frame.first..];
        let name = named(items);
        let params_span = items.iter().find(|item| item.kind == Kind::Parameters).map(|item| item.span);
        let (returns, body, is_async) = (exprs_of(items, Kind::Type).next(), block(items, Kind::Block), has(items, Kind::Async));
        let (name, name_span) = name.unwrap_or_else(|| (self.intern(Span::default()), Span::at(frame.span.end)));
        StmtKind::Function(Box::new(Function {
            name,
            name_span,
            params,
            params_span: params_span.unwrap_or(Span::at(name_span.end)),
            decorators: Vec::new(),
            returns,
            body,
            is_async,
            outer_span: frame.span,
        }))
    }

    fn class(&mut self, frame: Frame) -> StmtKind {
        let items = &self.items[frame.first..];
        let name = named(items);
        let (args, body) = (arguments(items), block(items, Kind::Block));
        let (name, name_span) = name.unwrap_or_else(|| (self.intern(Span::default()), Span::at(frame.span.end)));
        StmtKind::Class(Box::new(Class { name, name_span, args, decorators: Vec::new(), body, outer_span: frame.span }))
    }

    fn import(&self, frame: Frame) -> StmtKind {
        let items = &self.items[frame.first..];
        let mut level = 0;
        let mut module = if frame.kind == Kind::FutureImport { "__future__".to_owned() } else { String::new() };
        let mut names = Vec::new();
        // `from module import names`: the keyword tells them apart.
        let mut after_import = false;
        let mut i = 0;
        while let Some(item) = items.get(i) {
            i += 1;
            // What a head holds follows it; an aliased import holds a dotted name and the alias.
            let held = if let Value::Head(n) = item.value { &items[i..i + n] } else { &[] };
            i += held.len();
            match item.kind {
                Kind::ImportKeyword => after_import = true,
                Kind::ImportPrefix => {
                    let dots = self.slice(item.span).bytes().filter(|&b| b == b'.').count();
                    level = u32::try_from(dots).unwrap_or(u32::MAX);
                }
                Kind::DottedName if !after_import => module = self.dotted(held),
                Kind::DottedName => {
                    names.push(Alias { name: self.dotted(held), asname: None, binds: named(held).map(|n| n.0), span: item.span });
                }
                Kind::AliasedImport => {
                    let [Item { value: Value::Head(n), .. }, rest @ ..] = held else { continue };
                    let (dotted, rest) = rest.split_at((*n).min(rest.len()));
                    let asname = named(rest).map(|n| n.0);
                    names.push(Alias {
                        name: self.dotted(dotted),
                        asname,
                        binds: asname.or_else(|| named(dotted).map(|n| n.0)),
                        span: item.span,
                    });
                }
                Kind::WildcardImport => {
                    names.push(Alias { name: "*".to_owned(), asname: None, binds: None, span: item.span });
                }
                _ => {}
            }
        }
        if frame.kind == Kind::Import { StmtKind::Import(names) } else { StmtKind::ImportFrom { level, module, names } }
    }

    /// The names of a dotted name, without what may stand between them (spaces, continued lines).
    fn dotted(&self, names: &[Item]) -> String {
        let mut dotted = String::new();
        for item in names {
            if let Value::Name(name) = item.value {
                if !dotted.is_empty() {
                    dotted.push('.');
                }
                dotted.push_str(self.ast.name(name));
            }
        }
        dotted
    }

    // ---- Items, expressions and statements ----

    /// The innermost frame. The root's is never popped while nodes are being entered.
    fn top(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn push(&mut self, kind: Kind, span: Span, value: Value) {
        self.items.push(Item { kind, span, value });
    }

    /// Replaces a frame's items by one.
    fn collapse(&mut self, frame: Frame, value: Value) {
        self.items.truncate(frame.first);
        self.push(frame.kind, frame.span, value);
    }

    /// Replaces a frame's items by an expression.
    fn finish(&mut self, frame: Frame, kind: ExprKind) {
        let id = self.new_expr(kind, frame.span, frame.stmt);
        self.collapse(frame, Value::Expr(id));
    }

    /// Replaces a frame's items by an expression that only holds theirs.
    fn other(&mut self, frame: Frame) {
        let inside = all_exprs(&self.items[frame.first..]);
        self.finish(frame, ExprKind::Other(inside));
    }

    /// An expression without children.
    fn leaf(&mut self, kind: Kind, span: Span, value: ExprKind) {
        let stmt = self.top().stmt;
        // An expression is always in a statement, or in an ERROR which becomes one.
        if stmt != NO_STMT {
            let id = self.new_expr(value, span, stmt);
            self.push(kind, span, Value::Expr(id));
        }
    }

    /// Whether a frame was opened with a head to count its items in.
    fn is_head(&self, frame: Frame) -> bool {
        matches!(self.items.get(frame.first), Some(Item { value: Value::Head(_), .. }))
    }

    fn close_head(&mut self, frame: Frame) {
        let count = self.items.len() - frame.first - 1;
        self.items[frame.first].value = Value::Head(count);
    }

    fn new_expr(&mut self, kind: ExprKind, span: Span, stmt: StmtId) -> ExprId {
        let id = ExprId(u32::try_from(self.ast.exprs.len()).unwrap_or(u32::MAX));
        let exprs = &mut self.ast.exprs;
        kind.children(&mut |child| exprs[child.0 as usize].parent = Some(id));
        exprs.push(Expr { kind, span, parent: None, stmt });
        id
    }

    fn new_stmt(&mut self, span: Span, parent: Option<StmtId>) -> StmtId {
        let id = StmtId(u32::try_from(self.ast.stmts.len()).unwrap_or(u32::MAX));
        self.ast.stmts.push(Stmt { kind: StmtKind::Other(Vec::new()), span, parent });
        id
    }

    /// An empty expression in place of one that is missing.
    fn or_hole(&mut self, expr: Option<ExprId>, frame: Frame) -> ExprId {
        expr.unwrap_or_else(|| self.new_expr(ExprKind::Other(Vec::new()), Span::at(frame.span.end), frame.stmt))
    }

    /// A tuple without brackets of the expressions from an item on.
    fn fold(&mut self, from: usize, frame: Frame) -> ExprId {
        let items = &self.items[from..];
        let mut spans = items.iter().filter(|item| matches!(item.value, Value::Expr(_))).map(|item| item.span);
        let first = spans.next().unwrap_or(Span::at(frame.span.end));
        let end = spans.next_back().unwrap_or(first).end.max(frame.comma);
        // What an ERROR after the last element holds has been made before.
        let end = self.ast.exprs.last().map_or(end, |expr| expr.span.end.max(end));
        let elements = exprs(items).collect();
        self.new_expr(ExprKind::Tuple(elements), Span::new(first.start, end), frame.stmt)
    }

    /// The expression from an item on: several, one and a comma, or a starred one are a tuple.
    fn index(&mut self, from: usize, frame: Frame) -> ExprId {
        let mut parts = exprs(&self.items[from..]);
        match (parts.next(), parts.next()) {
            (Some(only), None) if frame.comma <= self.ast.expr(only).span.start => match self.ast.expr(only).kind {
                ExprKind::Starred(_) if frame.kind != Kind::ForInClause => self.fold(from, frame),
                _ => only,
            },
            _ => self.fold(from, frame),
        }
    }

    /// Replaces a frame's items by its statement.
    fn finish_stmt(&mut self, frame: Frame, parent: Kind, mut kind: StmtKind) {
        let id = frame.stmt;
        if frame.kind == Kind::Decorated {
            // The definition has been lowered into this statement; what is left to add is what stands before it.
            let decorators: Vec<ExprId> = exprs_of(&self.items[frame.first..], Kind::Decorator).collect();
            match &mut self.ast.stmts[id.0 as usize].kind {
                StmtKind::Function(function) => {
                    function.decorators = decorators;
                    function.outer_span = frame.span;
                }
                StmtKind::Class(class) => {
                    class.decorators = decorators;
                    class.outer_span = frame.span;
                }
                other => *other = StmtKind::Other(all_exprs(&self.items[frame.first..])),
            }
            self.collapse(frame, Value::Stmt(id));
            return;
        }
        if frame.kind == Kind::If {
            self.link_elifs(frame, &mut kind);
        }
        self.ast.stmts[id.0 as usize].kind = kind;
        if parent == Kind::Decorated {
            self.items.truncate(frame.first);
        } else {
            self.collapse(frame, Value::Stmt(id));
        }
    }

    /// Puts each `elif` into the `else` of what precedes it, and the `else` into the last.
    fn link_elifs(&mut self, frame: Frame, kind: &mut StmtKind) {
        let elifs = self.items[frame.first..].iter().rev().filter_map(|item| match item.value {
            Value::Stmt(id) if item.kind == Kind::ElifClause => Some(id),
            _ => None,
        });
        let StmtKind::If { orelse: outermost, .. } = kind else { return };
        let mut rest = std::mem::take(outermost);
        for id in elifs {
            if let StmtKind::If { orelse, .. } = &mut self.ast.stmts[id.0 as usize].kind {
                *orelse = rest;
                rest = vec![id];
            }
        }
        *outermost = rest;
    }

    fn slice(&self, span: Span) -> &'t str {
        // A tree of another text has no names here; it must not be a panic.
        self.text.get(span.range()).unwrap_or_default()
    }

    fn intern(&mut self, span: Span) -> Symbol {
        let text = self.slice(span);
        if let Some(&symbol) = self.symbols.get(text) {
            return symbol;
        }
        let symbol = Symbol(u32::try_from(self.ast.names.len()).unwrap_or(u32::MAX));
        self.ast.names.push(text.to_owned());
        self.symbols.insert(text, symbol);
        symbol
    }
}

fn span_of(node: Node<'_>) -> Span {
    let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    Span::new(offset(node.start_byte()), offset(node.end_byte()))
}

#[cfg(test)]
mod tests;
