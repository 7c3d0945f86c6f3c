//! Turns a text into the [`Ast`].
//!
//! ruff's parser reads the text: it accepts what CPython accepts, in a tenth of the time that tree-sitter takes. Its tree is
//! lowered in one walk. Statements get their ids on the way in (parents first), expressions on the way out (children first):
//! the orders that [`Ast::expr_at`] and whoever walks the tree rely on.

mod literal;

use ruff_python_ast::token::{Token, TokenKind, Tokens};
use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{self as ruff, AnyNodeRef, ArgOrKeyword, FStringPart, InterpolatedStringElements, PySourceType};
use ruff_python_parser::{ParseError, parse_unchecked_source};
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::{FxBuildHasher, FxHashMap};

use self::literal::Literal;
use super::ast::{
    Alias, Arg, ArgKind, Ast, BinaryOp, Case, Class, Clause, CompareOp, ComprehensionKind, Expr, ExprId, ExprKind, Function,
    Handler, Param, ParamKind, Stmt, StmtId, StmtKind, Symbol, SyntaxError,
};
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

    // ---- Statements ----

    fn block(&mut self, body: &'a [ruff::Stmt], parent: Option<StmtId>) -> Vec<StmtId> {
        body.iter().map(|stmt| self.stmt(stmt, parent)).collect()
    }

    fn stmt(&mut self, stmt: &'a ruff::Stmt, parent: Option<StmtId>) -> StmtId {
        let start = match stmt {
            ruff::Stmt::FunctionDef(def) if !def.decorator_list.is_empty() => self.keyword_before(&def.name, def.is_async),
            ruff::Stmt::ClassDef(class) if !class.decorator_list.is_empty() => self.keyword_before(&class.name, false),
            _ => stmt.start().to_u32(),
        };
        let id = self.new_stmt(Span::new(start, stmt.end().to_u32()), parent);
        self.within(id, |lowering| lowering.stmt_kind(stmt, id));
        id
    }

    /// Lowers what is in a statement, unless it is nested too deeply.
    fn within(&mut self, id: StmtId, kind: impl FnOnce(&mut Self) -> StmtKind) {
        let around = std::mem::replace(&mut self.stmt, id);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep(self.ast.stmt(id).span);
        } else {
            let kind = stacker::maybe_grow(STACK.0, STACK.1, || kind(self));
            self.ast.stmts[id.0 as usize].kind = kind;
        }
        self.depth -= 1;
        self.stmt = around;
    }

    fn stmt_kind(&mut self, stmt: &'a ruff::Stmt, id: StmtId) -> StmtKind {
        match stmt {
            ruff::Stmt::FunctionDef(def) => self.function(def, id),
            ruff::Stmt::ClassDef(class) => self.class(class, id),
            ruff::Stmt::Assign(assign) => {
                let targets = self.exprs(&assign.targets);
                StmtKind::Assign { targets, annotation: None, value: Some(self.expr(&assign.value)) }
            }
            ruff::Stmt::AnnAssign(assign) => {
                let targets = vec![self.expr(&assign.target)];
                let annotation = Some(self.expr(&assign.annotation));
                StmtKind::Assign { targets, annotation, value: self.optional(assign.value.as_deref()) }
            }
            ruff::Stmt::AugAssign(assign) => {
                let (target, value) = (self.expr(&assign.target), self.expr(&assign.value));
                StmtKind::AugAssign { target, op: operator(assign.op), value }
            }
            ruff::Stmt::For(each) => {
                let (target, iter) = (self.expr(&each.target), self.expr(&each.iter));
                let (body, orelse) = (self.block(&each.body, Some(id)), self.block(&each.orelse, Some(id)));
                StmtKind::For { target, iter, body, orelse, is_async: each.is_async }
            }
            ruff::Stmt::While(loops) => {
                let test = self.expr(&loops.test);
                let (body, orelse) = (self.block(&loops.body, Some(id)), self.block(&loops.orelse, Some(id)));
                StmtKind::While { test, body, orelse }
            }
            ruff::Stmt::If(branch) => {
                let test = self.expr(&branch.test);
                let body = self.block(&branch.body, Some(id));
                let orelse = self.otherwise(&branch.elif_else_clauses, id, branch.end().to_u32());
                StmtKind::If { test, body, orelse }
            }
            ruff::Stmt::With(with) => {
                let item =
                    |item: &'a ruff::WithItem| (self.expr(&item.context_expr), self.optional(item.optional_vars.as_deref()));
                let items = with.items.iter().map(item).collect();
                StmtKind::With { items, body: self.block(&with.body, Some(id)), is_async: with.is_async }
            }
            ruff::Stmt::Try(attempt) => {
                let body = self.block(&attempt.body, Some(id));
                let handler = |ruff::ExceptHandler::ExceptHandler(handler): &'a ruff::ExceptHandler| {
                    self.errors_of_python_2(handler);
                    let exception = self.optional(handler.type_.as_deref());
                    let name = handler.name.as_ref().map(|name| self.name(name));
                    Handler { exception, name, body: self.block(&handler.body, Some(id)) }
                };
                let handlers = attempt.handlers.iter().map(handler).collect();
                let (orelse, finally) = (self.block(&attempt.orelse, Some(id)), self.block(&attempt.finalbody, Some(id)));
                StmtKind::Try { body, handlers, orelse, finally }
            }
            ruff::Stmt::Match(matches) => {
                let subject = self.expr(&matches.subject);
                let case = |case: &'a ruff::MatchCase| {
                    self.unlowered(case.pattern.range(), |depth| depth.visit_pattern(&case.pattern));
                    let mut captures = Vec::new();
                    self.captures(&case.pattern, 0, &mut captures);
                    let guard = self.optional(case.guard.as_deref());
                    Case { captures, guard, body: self.block(&case.body, Some(id)) }
                };
                StmtKind::Match { subject, cases: matches.cases.iter().map(case).collect() }
            }
            ruff::Stmt::Return(returns) => StmtKind::Return(self.optional(returns.value.as_deref())),
            ruff::Stmt::Raise(raise) => {
                StmtKind::Raise(raise.exc.iter().chain(&raise.cause).map(|expr| self.expr(expr)).collect())
            }
            ruff::Stmt::Assert(assert) => {
                StmtKind::Assert { test: self.expr(&assert.test), message: self.optional(assert.msg.as_deref()) }
            }
            ruff::Stmt::Expr(statement) => StmtKind::Expr(self.expr(&statement.value)),
            ruff::Stmt::Import(import) => {
                let alias = |alias: &'a ruff::Alias| {
                    // The dots may have spaces and continued lines around them.
                    let first = alias.name.as_str().split('.').next().unwrap_or_default();
                    let asname = alias.asname.as_ref().map(|name| self.name(name).0);
                    let binds = asname.unwrap_or_else(|| self.intern(first));
                    Alias { name: alias.name.to_string(), asname, binds: Some(binds), span: span(alias.range()) }
                };
                StmtKind::Import(import.names.iter().map(alias).collect())
            }
            ruff::Stmt::ImportFrom(import) => {
                let alias = |alias: &'a ruff::Alias| {
                    let asname = alias.asname.as_ref().map(|name| self.name(name).0);
                    let star = alias.name.as_str() == "*";
                    let binds = asname.or_else(|| (!star).then(|| self.name(&alias.name).0));
                    Alias { name: alias.name.to_string(), asname, binds, span: span(alias.range()) }
                };
                let names = import.names.iter().map(alias).collect();
                let module = import.module.as_ref().map(ToString::to_string).unwrap_or_default();
                StmtKind::ImportFrom { level: import.level, module, names }
            }
            ruff::Stmt::Global(global) => StmtKind::Global(global.names.iter().map(|name| self.name(name).0).collect()),
            ruff::Stmt::Nonlocal(nonlocal) => StmtKind::Nonlocal(nonlocal.names.iter().map(|name| self.name(name).0).collect()),
            ruff::Stmt::Delete(delete) => StmtKind::Delete(self.exprs(&delete.targets)),
            ruff::Stmt::Break(_) => StmtKind::Break,
            ruff::Stmt::Continue(_) => StmtKind::Continue,
            ruff::Stmt::TypeAlias(alias) => {
                let name = self.expr(&alias.name);
                self.type_params(alias.type_params.as_deref());
                StmtKind::Other(vec![name, self.expr(&alias.value)])
            }
            ruff::Stmt::Pass(_) | ruff::Stmt::IpyEscapeCommand(_) => StmtKind::Other(Vec::new()),
        }
    }

    /// `except KeyError, error:` binds a name in Python 2, and is a syntax error from then up to 3.14, where it catches two
    /// exceptions. What is written like a variable is taken for one.
    fn errors_of_python_2(&mut self, handler: &ruff::ExceptHandlerExceptHandler) {
        let Some(ruff::Expr::Tuple(tuple)) = handler.type_.as_deref() else { return };
        if let (false, Some(ruff::Expr::Name(name))) = (tuple.parenthesized, tuple.elts.last())
            && name.id.starts_with(char::is_lowercase)
        {
            let message = format!("`, {name}` after an exception is `as {name}` since Python 3", name = name.id);
            self.ast.errors.push(SyntaxError { span: span(name.range()), message });
        }
    }

    /// What follows the first block of an `if`: nothing, the block of its `else`, or the next `elif`, as an `if` of its own that
    /// reaches to the end of the whole.
    fn otherwise(&mut self, clauses: &'a [ruff::ElifElseClause], parent: StmtId, end: u32) -> Vec<StmtId> {
        let Some((clause, rest)) = clauses.split_first() else { return Vec::new() };
        let Some(test) = &clause.test else { return self.block(&clause.body, Some(parent)) };
        let id = self.new_stmt(Span::new(clause.start().to_u32(), end), Some(parent));
        self.within(id, |lowering| {
            let test = lowering.expr(test);
            let body = lowering.block(&clause.body, Some(id));
            StmtKind::If { test, body, orelse: lowering.otherwise(rest, id, end) }
        });
        vec![id]
    }

    fn function(&mut self, def: &'a ruff::StmtFunctionDef, id: StmtId) -> StmtKind {
        let decorators = def.decorator_list.iter().map(|decorator| self.expr(&decorator.expression)).collect();
        let (name, name_span) = self.name(&def.name);
        self.type_params(def.type_params.as_deref());
        let params = self.params(&def.parameters);
        let returns = self.optional(def.returns.as_deref());
        StmtKind::Function(Box::new(Function {
            name,
            name_span,
            params,
            params_span: span(def.parameters.range()),
            decorators,
            returns,
            body: self.block(&def.body, Some(id)),
            is_async: def.is_async,
            outer_span: span(def.range()),
        }))
    }

    fn class(&mut self, class: &'a ruff::StmtClassDef, id: StmtId) -> StmtKind {
        let decorators = class.decorator_list.iter().map(|decorator| self.expr(&decorator.expression)).collect();
        let (name, name_span) = self.name(&class.name);
        self.type_params(class.type_params.as_deref());
        let args = class.arguments.as_deref().map(|arguments| self.args(arguments)).unwrap_or_default();
        let body = self.block(&class.body, Some(id));
        StmtKind::Class(Box::new(Class { name, name_span, args, decorators, body, outer_span: span(class.range()) }))
    }

    /// Where the `async`, `def` or `class` before a name is.
    fn keyword_before(&self, name: &ruff::Identifier, is_async: bool) -> u32 {
        let blank = [' ', '\t', '\x0c', '\\', '\r', '\n'];
        let before = self.text[..name.start().to_usize()].trim_end_matches(blank);
        let definition = before.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let start = if is_async { definition.trim_end_matches(blank).strip_suffix("async") } else { None };
        u32::try_from(start.unwrap_or(definition).len()).unwrap_or(u32::MAX)
    }

    /// Type parameters: a declaration of names, which neither a [`Function`] nor a [`Class`] has a place for.
    fn type_params(&mut self, params: Option<&'a ruff::TypeParams>) {
        if let Some(params) = params {
            self.unlowered(params.range(), |depth| depth.visit_type_params(params));
        }
    }

    /// Looks at how deep something is that is not lowered.
    fn unlowered(&mut self, range: TextRange, visit: impl FnOnce(&mut Depth)) {
        let mut depth = Depth { depth: self.depth, exceeded: false };
        stacker::maybe_grow(STACK.1, 2 * STACK.1, || visit(&mut depth));
        if depth.exceeded {
            self.too_deep(span(range));
        }
    }

    /// The names that a pattern binds.
    fn captures(&mut self, pattern: &'a ruff::Pattern, depth: usize, into: &mut Vec<Symbol>) {
        if depth > MAX_DEPTH {
            return;
        }
        let (within, name): (Vec<&'a ruff::Pattern>, _) = match pattern {
            ruff::Pattern::MatchValue(_) | ruff::Pattern::MatchSingleton(_) => return,
            ruff::Pattern::MatchSequence(sequence) => (sequence.patterns.iter().collect(), None),
            ruff::Pattern::MatchMapping(mapping) => (mapping.patterns.iter().collect(), mapping.rest.as_ref()),
            ruff::Pattern::MatchClass(class) => {
                let keywords = class.arguments.keywords.iter().map(|keyword| &keyword.pattern);
                (class.arguments.patterns.iter().chain(keywords).collect(), None)
            }
            ruff::Pattern::MatchStar(star) => (Vec::new(), star.name.as_ref()),
            ruff::Pattern::MatchAs(pattern) => (pattern.pattern.as_deref().into_iter().collect(), pattern.name.as_ref()),
            ruff::Pattern::MatchOr(alternatives) => (alternatives.patterns.iter().collect(), None),
        };
        for pattern in within {
            self.captures(pattern, depth + 1, into);
        }
        if let Some(name) = name {
            let (symbol, _) = self.name(name);
            if !into.contains(&symbol) {
                into.push(symbol);
            }
        }
    }

    // ---- Expressions ----

    fn exprs(&mut self, exprs: &'a [ruff::Expr]) -> Vec<ExprId> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn optional(&mut self, expr: Option<&'a ruff::Expr>) -> Option<ExprId> {
        expr.map(|expr| self.expr(expr))
    }

    fn expr(&mut self, expr: &'a ruff::Expr) -> ExprId {
        self.expr_over(expr, span(expr.range()))
    }

    /// Lowers an expression that takes up a span.
    fn expr_over(&mut self, expr: &'a ruff::Expr, span: Span) -> ExprId {
        self.depth += 1;
        let kind = if self.depth > MAX_DEPTH {
            self.too_deep(span);
            ExprKind::Other(Vec::new())
        } else {
            stacker::maybe_grow(STACK.0, STACK.1, || self.expr_kind(expr))
        };
        self.depth -= 1;
        self.new_expr(kind, span)
    }

    fn expr_kind(&mut self, expr: &'a ruff::Expr) -> ExprKind {
        match expr {
            ruff::Expr::Name(name) if name.id.is_empty() => ExprKind::Other(Vec::new()),
            ruff::Expr::Name(name) => ExprKind::Name(self.intern(name.id.as_str())),
            ruff::Expr::Attribute(attribute) => {
                let value = self.expr(&attribute.value);
                let (attr, attr_span) = self.name(&attribute.attr);
                ExprKind::Attribute { value, attr, attr_span }
            }
            ruff::Expr::Call(call) => {
                let func = self.expr(&call.func);
                ExprKind::Call { func, args: self.args(&call.arguments), args_span: span(call.arguments.range()) }
            }
            ruff::Expr::NumberLiteral(number) => match &number.value {
                ruff::Number::Int(_) => ExprKind::Int(literal::integer(self.slice(span(number.range())))),
                ruff::Number::Float(value) => ExprKind::Float(*value),
                ruff::Number::Complex { .. } => ExprKind::Imaginary,
            },
            ruff::Expr::StringLiteral(string) => self.literals(false, string.value.iter().map(Ranged::range)),
            ruff::Expr::BytesLiteral(bytes) => self.literals(true, bytes.value.iter().map(Ranged::range)),
            ruff::Expr::FString(string) => {
                let mut parts = Vec::new();
                for part in &string.value {
                    if let FStringPart::FString(part) = part {
                        self.interpolations(&part.elements, &mut parts);
                    }
                }
                self.formatted(parts, string.value.iter().map(Ranged::range))
            }
            ruff::Expr::TString(string) => {
                let mut parts = Vec::new();
                for part in &string.value {
                    self.interpolations(&part.elements, &mut parts);
                }
                self.formatted(parts, string.value.iter().map(Ranged::range))
            }
            ruff::Expr::BooleanLiteral(literal) => ExprKind::Bool(literal.value),
            ruff::Expr::NoneLiteral(_) => ExprKind::None,
            ruff::Expr::EllipsisLiteral(_) => ExprKind::Ellipsis,
            ruff::Expr::List(list) => ExprKind::List(self.exprs(&list.elts)),
            ruff::Expr::Tuple(tuple) => ExprKind::Tuple(self.exprs(&tuple.elts)),
            ruff::Expr::Set(set) => ExprKind::Set(self.exprs(&set.elts)),
            ruff::Expr::Dict(dict) => {
                let item = |item: &'a ruff::DictItem| (self.optional(item.key.as_ref()), self.expr(&item.value));
                ExprKind::Dict(dict.items.iter().map(item).collect())
            }
            ruff::Expr::ListComp(comp) => self.comprehension(ComprehensionKind::List, &comp.elt, None, &comp.generators),
            ruff::Expr::SetComp(comp) => self.comprehension(ComprehensionKind::Set, &comp.elt, None, &comp.generators),
            ruff::Expr::Generator(comp) => self.comprehension(ComprehensionKind::Generator, &comp.elt, None, &comp.generators),
            ruff::Expr::DictComp(comp) => match &comp.key {
                Some(key) => self.comprehension(ComprehensionKind::Dict, key, Some(&comp.value), &comp.generators),
                None => self.comprehension(ComprehensionKind::Dict, &comp.value, None, &comp.generators),
            },
            ruff::Expr::Lambda(lambda) => {
                let params = lambda.parameters.as_deref().map(|params| self.params(params)).unwrap_or_default();
                ExprKind::Lambda { params, body: self.expr(&lambda.body) }
            }
            ruff::Expr::BinOp(binary) => {
                let (left, right) = (self.expr(&binary.left), self.expr(&binary.right));
                ExprKind::Binary { op: operator(binary.op), left, right }
            }
            ruff::Expr::UnaryOp(unary) => {
                let operand = self.expr(&unary.operand);
                match unary.op {
                    ruff::UnaryOp::Not => ExprKind::Not(operand),
                    ruff::UnaryOp::Invert => ExprKind::Unary { op: '~', operand },
                    ruff::UnaryOp::UAdd => ExprKind::Unary { op: '+', operand },
                    ruff::UnaryOp::USub => ExprKind::Unary { op: '-', operand },
                }
            }
            ruff::Expr::BoolOp(operation) => self.bool_op(operation),
            ruff::Expr::Compare(compare) => {
                let first = self.expr(&compare.left);
                let rest = compare.ops.iter().zip(&compare.comparators);
                ExprKind::Compare { first, rest: rest.map(|(op, right)| (comparison(*op), self.expr(right))).collect() }
            }
            ruff::Expr::Subscript(subscript) => {
                let (value, index) = (self.expr(&subscript.value), self.expr(&subscript.slice));
                ExprKind::Subscript { value, index }
            }
            ruff::Expr::Slice(slice) => {
                let parts = slice.lower.iter().chain(&slice.upper).chain(&slice.step);
                ExprKind::Slice(parts.map(|part| self.expr(part)).collect())
            }
            ruff::Expr::If(choice) => {
                let (then, test, otherwise) = (self.expr(&choice.body), self.expr(&choice.test), self.expr(&choice.orelse));
                ExprKind::IfElse { test, then, otherwise }
            }
            ruff::Expr::Await(awaited) => ExprKind::Await(self.expr(&awaited.value)),
            ruff::Expr::Yield(yielded) => ExprKind::Yield { value: self.optional(yielded.value.as_deref()), from: false },
            ruff::Expr::YieldFrom(yielded) => ExprKind::Yield { value: Some(self.expr(&yielded.value)), from: true },
            ruff::Expr::Named(named) => {
                let (target, value) = (self.expr(&named.target), self.expr(&named.value));
                ExprKind::Walrus { target, value }
            }
            ruff::Expr::Starred(starred) => ExprKind::Starred(self.expr(&starred.value)),
            ruff::Expr::IpyEscapeCommand(_) => ExprKind::Other(Vec::new()),
        }
    }

    /// `a and b and c` is `(a and b) and c`.
    fn bool_op(&mut self, operation: &'a ruff::ExprBoolOp) -> ExprKind {
        let (and, start) = (operation.op == ruff::BoolOp::And, operation.start().to_u32());
        let values = &operation.values;
        if self.depth + values.len() > MAX_DEPTH {
            self.too_deep(span(operation.range()));
            return ExprKind::Other(Vec::new());
        }
        let Some((first, rest)) = values.split_first() else { return ExprKind::Other(Vec::new()) };
        // The operands of the innermost operation are the most deeply nested.
        self.depth += rest.len().saturating_sub(1);
        let mut left = self.expr(first);
        for (i, value) in rest.iter().enumerate() {
            let right = self.expr(value);
            let kind = ExprKind::Bool2 { and, left, right };
            let Some(next) = rest.get(i + 1) else { return kind };
            self.depth -= 1;
            let end = self.parenthesized_end(value.end().to_u32(), next.start().to_u32());
            left = self.new_expr(kind, Span::new(start, end));
        }
        ExprKind::Other(vec![left])
    }

    fn comprehension(
        &mut self,
        kind: ComprehensionKind,
        element: &'a ruff::Expr,
        value: Option<&'a ruff::Expr>,
        generators: &'a [ruff::Comprehension],
    ) -> ExprKind {
        let (element, value) = (self.expr(element), self.optional(value));
        let mut clauses = Vec::with_capacity(generators.len());
        for generator in generators {
            let (target, iter) = (self.expr(&generator.target), self.expr(&generator.iter));
            clauses.push(Clause::For { target, iter, is_async: generator.is_async });
            clauses.extend(generator.ifs.iter().map(|test| Clause::If(self.expr(test))));
        }
        ExprKind::Comprehension { kind, element, value, clauses }
    }

    /// String literals joined by juxtaposition, none with an interpolation.
    fn literals(&self, bytes: bool, parts: impl Iterator<Item = TextRange>) -> ExprKind {
        let mut text = Some(String::new());
        let len = parts.map(|part| Literal::new(self.slice(span(part))).decode(&mut text)).sum();
        ExprKind::Str { bytes, text, len: Some(len), parts: Vec::new() }
    }

    fn formatted(&self, interpolated: Vec<ExprId>, parts: impl Iterator<Item = TextRange>) -> ExprKind {
        if interpolated.is_empty() {
            return self.literals(false, parts);
        }
        ExprKind::Str { bytes: false, text: None, len: None, parts: interpolated }
    }

    fn interpolations(&mut self, elements: &'a InterpolatedStringElements, into: &mut Vec<ExprId>) {
        for interpolation in elements.interpolations() {
            into.push(self.expr(&interpolation.expression));
            if let Some(format) = &interpolation.format_spec {
                self.interpolations(&format.elements, into);
            }
        }
    }

    fn args(&mut self, arguments: &'a ruff::Arguments) -> Vec<Arg> {
        let within = span(arguments.range());
        if let ([generator @ ruff::Expr::Generator(comp)], true) = (&*arguments.args, arguments.keywords.is_empty())
            && !comp.parenthesized
        {
            // `f(x for x in y)`: the generator has the call's parentheses.
            let value = self.expr_over(generator, within);
            return vec![Arg { kind: ArgKind::Positional, value, span: within }];
        }
        let mut args = Vec::with_capacity(arguments.len());
        let mut after = within.start + 1;
        for arg in arguments.iter_source_order() {
            let mut span = match arg {
                ArgOrKeyword::Arg(arg) => span(arg.range()),
                ArgOrKeyword::Keyword(keyword) => span(keyword.range()),
            };
            let end = self.parenthesized_end(span.end, within.end.saturating_sub(1));
            if end > span.end {
                // As many were opened before it.
                span = Span::new(self.next_token(after), end);
            }
            after = end;
            let (kind, value) = match arg {
                ArgOrKeyword::Arg(ruff::Expr::Starred(starred)) => (ArgKind::Star, self.expr(&starred.value)),
                ArgOrKeyword::Arg(arg) => (ArgKind::Positional, self.expr(arg)),
                ArgOrKeyword::Keyword(keyword) => {
                    let kind = keyword.arg.as_ref().map_or(ArgKind::DoubleStar, |name| ArgKind::Keyword(self.name(name).0));
                    (kind, self.expr(&keyword.value))
                }
            };
            args.push(Arg { kind, value, span });
        }
        args
    }

    fn params(&mut self, params: &'a ruff::Parameters) -> Vec<Param> {
        let mut out = Vec::with_capacity(params.len());
        let several = |params: &'a [ruff::ParameterWithDefault], kind: ParamKind, lowering: &mut Self, out: &mut Vec<Param>| {
            for param in params {
                out.push(lowering.param(&param.parameter, kind, param.default.as_deref(), span(param.range())));
            }
        };
        several(&params.posonlyargs, ParamKind::PositionalOnly, self, &mut out);
        several(&params.args, ParamKind::Normal, self, &mut out);
        if let Some(param) = &params.vararg {
            out.push(self.param(param, ParamKind::Star, None, span(param.range())));
        }
        several(&params.kwonlyargs, ParamKind::KeywordOnly, self, &mut out);
        if let Some(param) = &params.kwarg {
            out.push(self.param(param, ParamKind::DoubleStar, None, span(param.range())));
        }
        out
    }

    fn param(&mut self, param: &'a ruff::Parameter, kind: ParamKind, default: Option<&'a ruff::Expr>, span: Span) -> Param {
        let (name, name_span) = self.name(&param.name);
        let annotation = self.optional(param.annotation.as_deref());
        Param { name, name_span, kind, annotation, default: self.optional(default), span }
    }

    // ---- The text between nodes ----

    /// Where the next token after an offset is, which is no comma.
    fn next_token(&self, mut at: u32) -> u32 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at as usize) {
            match byte {
                b' ' | b'\t' | b'\x0c' | b'\\' | b'\r' | b'\n' | b',' => at += 1,
                b'#' => {
                    let line = memchr::memchr2(b'\n', b'\r', &bytes[at as usize..]);
                    at = line.map_or(bytes.len(), |n| at as usize + n).try_into().unwrap_or(u32::MAX);
                }
                _ => break,
            }
        }
        at
    }

    /// Where an expression ends with the parentheses around it, of which none is closed after `limit`.
    fn parenthesized_end(&self, mut end: u32, limit: u32) -> u32 {
        loop {
            let at = self.next_token(end);
            if at >= limit || self.text.as_bytes().get(at as usize) != Some(&b')') {
                return end;
            }
            end = at + 1;
        }
    }

    // ---- Nodes ----

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

fn operator(op: ruff::Operator) -> BinaryOp {
    match op {
        ruff::Operator::Add => BinaryOp::Add,
        ruff::Operator::Sub => BinaryOp::Sub,
        ruff::Operator::Mult => BinaryOp::Mul,
        ruff::Operator::MatMult => BinaryOp::MatMul,
        ruff::Operator::Div => BinaryOp::Div,
        ruff::Operator::Mod => BinaryOp::Mod,
        ruff::Operator::Pow => BinaryOp::Pow,
        ruff::Operator::LShift => BinaryOp::ShiftLeft,
        ruff::Operator::RShift => BinaryOp::ShiftRight,
        ruff::Operator::BitOr => BinaryOp::BitOr,
        ruff::Operator::BitXor => BinaryOp::BitXor,
        ruff::Operator::BitAnd => BinaryOp::BitAnd,
        ruff::Operator::FloorDiv => BinaryOp::FloorDiv,
    }
}

fn comparison(op: ruff::CmpOp) -> CompareOp {
    match op {
        ruff::CmpOp::Eq => CompareOp::Eq,
        ruff::CmpOp::NotEq => CompareOp::NotEq,
        ruff::CmpOp::Lt => CompareOp::Lt,
        ruff::CmpOp::LtE => CompareOp::LtE,
        ruff::CmpOp::Gt => CompareOp::Gt,
        ruff::CmpOp::GtE => CompareOp::GtE,
        ruff::CmpOp::Is => CompareOp::Is,
        ruff::CmpOp::IsNot => CompareOp::IsNot,
        ruff::CmpOp::In => CompareOp::In,
        ruff::CmpOp::NotIn => CompareOp::NotIn,
    }
}

#[cfg(test)]
mod tests;
