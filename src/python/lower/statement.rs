//! Statements: from ruff's to those of the [`Ast`](crate::python::ast::Ast).

use ruff_python_ast::visitor::source_order::SourceOrderVisitor;
use ruff_python_ast::{self as ruff};
use ruff_text_size::{Ranged, TextRange};

use super::expression::operator;
use super::{Depth, Lowering, MAX_DEPTH, STACK, span};
use crate::python::ast::{Alias, Case, Class, Function, Handler, StmtId, StmtKind, Symbol, SyntaxError};
use crate::source::Span;

impl<'a> Lowering<'a> {
    pub(super) fn block(&mut self, body: &'a [ruff::Stmt], parent: Option<StmtId>) -> Vec<StmtId> {
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
}
