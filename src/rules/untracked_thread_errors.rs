//! # untracked-thread-errors
//!
//! A thread whose exception nobody sees.
//!
//! ## Why is this bad?
//! An exception in a thread ends the thread, prints a traceback, and changes nothing about the test: an assertion that fails in a worker
//! fails nothing. At best some later assertion notices that a result is missing.
//!
//! ## Example
//! ```python
//! def worker():
//!     assert cache.get("key") == 42
//!
//! thread = threading.Thread(target=worker)
//! thread.start()
//! thread.join(timeout=5.0)
//! ```
//!
//! Use instead:
//! ```python
//! errors = []
//!
//! def worker():
//!     try:
//!         assert cache.get("key") == 42
//!     except Exception as error:
//!         errors.append(error)
//!
//! thread = threading.Thread(target=worker)
//! thread.start()
//! thread.join(timeout=5.0)
//! assert not errors
//! ```
//!
//! ## Fix
//! A list of errors, filled by the worker and asserted to be empty after the last join. *Unsafe*: a worker that failed unseen until now
//! makes the test fail, which is the point. Declined where the threads are not joined in the same function, and where the worker is
//! not written in the test itself. For a whole suite, pytest can do it: `filterwarnings =
//! error::pytest.PytestUnhandledThreadExceptionWarning` turns such exceptions into failures, and this rule off.

use std::fmt::Write as _;
use std::sync::Arc;

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::python::ast::{ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::project::Module;
use crate::python::scope::MODULE;
use crate::python::semantics::{Def, Type};
use crate::query::SiteKind;
use crate::rewrite;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("untracked-thread-errors"),
    title: "Thread whose exception nobody sees",
    source: include_str!("untracked_thread_errors.rs"),
    default: false,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    if cx.sem.suite.fails_on_thread_errors() {
        return;
    }
    let mut told: Vec<StmtId> = Vec::new();
    for site in cx.of_kind(SiteKind::Thread) {
        let m = &site.module;
        if m.role == Role::Product || !Arc::ptr_eq(m, cx.module) || !cx.in_a_test(m, m.expr(site.expr).stmt) {
            continue;
        }
        // A process's exception is its exit code.
        let thread =
            matches!(cx.sem.type_of(m, site.expr), Type::Instance(class) if cx.sem.derives(&class, "threading.Thread", 0));
        let Some(Type::Function(worker)) = cx.sem.worker(m, site).filter(|_| thread) else { continue };
        if !Arc::ptr_eq(&worker.module, m) || told.contains(&worker.stmt) {
            continue;
        }
        let Some(f) = m.function(worker.stmt) else { continue };
        let Some(what) = may_raise(m, &f.body) else { continue };
        // Whoever expects the exception, or looks for it, sees it.
        let home = crate::python::ended::outermost(m, m.expr(site.expr).stmt).unwrap_or(worker.stmt);
        let around = m.source.slice(m.stmt(home).span);
        if ["excepthook", "catch_threading_exception", "PytestUnhandledThreadExceptionWarning"].iter().any(|w| around.contains(w))
        {
            continue;
        }
        told.push(worker.stmt);
        let name = m.name(f.name);
        let mut finding =
            cx.finding(&RULE.code, m, f.name_span, format!("{what} in `{name}` is lost: it runs in a thread, and nobody looks"));
        finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
        match fix(cx, site, &worker) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// What of a worker's body may raise without anybody seeing it: an assertion, or a call of something that is not known to be harmless.
fn may_raise(m: &Module, body: &[StmtId]) -> Option<&'static str> {
    let mut call = false;
    for &id in body {
        match &m.stmt(id).kind {
            StmtKind::Assert { .. } => return Some("an assertion that fails"),
            // What is caught is seen, or meant to be ignored.
            StmtKind::Try { handlers, orelse, finally, .. } if !handlers.is_empty() => {
                for block in [orelse, finally] {
                    match may_raise(m, block) {
                        Some("an exception") => call = true,
                        Some(what) => return Some(what),
                        None => {}
                    }
                }
            }
            StmtKind::Function(_) | StmtKind::Class(_) => {}
            kind => {
                let mut exprs = Vec::new();
                kind.exprs(&mut |e| exprs.push(e));
                while let Some(e) = exprs.pop() {
                    if let ExprKind::Call { func, .. } = m.expr(e).kind {
                        let name = match m.expr(func).kind {
                            ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr),
                            _ => "",
                        };
                        if name.starts_with("assert") && name != "assert_called" || m.text(func) == "pytest.fail" {
                            return Some("an assertion that fails");
                        }
                        call |= !HARMLESS.contains(&name);
                    }
                    m.expr(e).kind.children(&mut |c| exprs.push(c));
                }
                let mut inner = None;
                kind.blocks(&mut |b| match may_raise(m, b) {
                    Some("an exception") => call = true,
                    Some(what) => inner = Some(what),
                    None => {}
                });
                if inner.is_some() {
                    return inner;
                }
            }
        }
    }
    call.then_some("an exception")
}

/// Calls that do not fail in practice.
const HARMLESS: &[&str] = &[
    "append",
    "sleep",
    "wait",
    "set",
    "clear",
    "range",
    "len",
    "print",
    "put",
    "put_nowait",
    "is_set",
    "acquire",
    "release",
    "add",
    "time",
    "monotonic",
    "perf_counter",
    "current_thread",
    "get_ident",
    "str",
    "int",
    "enumerate",
    "extend",
    "task_done",
    "notify",
    "notify_all",
    "list",
    "format",
];

fn fix(cx: &Context<'_>, site: &Site, worker: &Def) -> Result<Fix, String> {
    let m = &site.module;
    rewrite::editable(m)?;
    let f = m.function(worker.stmt).ok_or("it is no function")?;
    let home = m.scopes.function_around(m.expr(site.expr).stmt).ok_or("the thread is started outside of any function")?;
    if m.scopes.function_around(worker.stmt) != Some(home) {
        return Err("the worker is not written in the test that starts it".to_owned());
    }
    if f.is_async || cx.sem.is_generator(worker) {
        return Err("the worker is no plain function".to_owned());
    }
    let region = m.stmt(home).span;
    let called = |e: &crate::python::ast::Expr| match e.kind {
        ExprKind::Call { func, .. } => matches!(m.expr(func).kind, ExprKind::Name(n) if n == f.name),
        _ => false,
    };
    if m.ast.exprs.iter().any(|e| region.contains(e.span) && called(e)) {
        return Err("the worker is also called directly, where its exceptions are seen".to_owned());
    }
    if !f.decorators.is_empty() {
        return Err("the worker is decorated".to_owned());
    }
    // The last join of the function, with the assertion that may stand beside it.
    let joins = cx.sem.sites(cx.counter, m);
    let last = joins
        .values()
        .flatten()
        .filter(|s| s.kind == SiteKind::Join && m.scopes.function_around(m.expr(s.expr).stmt) == Some(home))
        .map(|s| m.expr(s.expr).stmt)
        .max_by_key(|s| m.stmt(*s).span.start)
        .ok_or("its threads are not joined here, so that nothing says when all errors are there")?;
    let (block, at) = outermost_block(m, last, home).ok_or("its threads are joined in a way that cannot be followed")?;
    let mut after = block[at];
    while let Some(&next) = block.get(block.iter().position(|s| *s == after).map_or(block.len(), |i| i + 1)) {
        let alive = matches!(&m.stmt(next).kind, StmtKind::Assert { test, .. } if m.text(*test).contains("is_alive"));
        if !alive {
            break;
        }
        after = next;
    }
    let name = ["errors", "thread_errors", "worker_errors"]
        .into_iter()
        .find(|n| !named(m, home, n))
        .ok_or("its names for a list of errors are taken")?;
    let newline = m.source.newline().as_str();
    // What has to come first in a function stays there.
    let leading = f.body.iter().take_while(|s| match m.stmt(**s).kind {
        StmtKind::Nonlocal(_) | StmtKind::Global(_) => true,
        StmtKind::Expr(e) => matches!(m.expr(e).kind, ExprKind::Str { .. }),
        _ => false,
    });
    let body = &f.body[leading.count()..];
    let (Some(&head), Some(&tail)) = (body.first(), body.last()) else { return Err("it does nothing".to_owned()) };
    let (first, end) = (m.stmt(head).span.start, m.stmt(tail).span.end);
    let (outer, inner) = (m.source.indent_at(f.outer_span.start), m.source.indent_at(first));
    let step = inner.strip_prefix(outer).filter(|s| !s.is_empty()).ok_or("its body stands on one line")?;
    if m.source.line_of(first) == m.source.line_of(f.name_span.start) {
        return Err("its body stands on one line".to_owned());
    }
    let from = m.source.line_of(first);
    let to = m.source.line_of(end);
    let region = Span::new(m.source.line_span(from).start, m.source.line_span(to).end);
    let strings = m
        .ast
        .exprs
        .iter()
        .any(|e| region.contains(e.span) && matches!(e.kind, ExprKind::Str { .. }) && m.source.slice(e.span).contains('\n'));
    if strings {
        return Err("a string in the worker is spread over lines, which must not be indented further".to_owned());
    }
    let mut edits = vec![Edit::insert(&m.file, f.outer_span.start, format!("{name} = []{newline}{newline}{outer}"))];
    let mut text = format!("{inner}try:{newline}");
    for line in from..=to {
        let old = m.source.line(line);
        if old.trim().is_empty() {
            text.push_str(old);
        } else {
            text.push_str(step);
            text.push_str(old);
        }
        text.push_str(newline);
    }
    _ = write!(text, "{inner}except Exception as error:{newline}{inner}{step}{name}.append(error)");
    edits.push(Edit::replace(&m.file, region, text));
    edits.push(rewrite::line_after(m, after, &format!("assert not {name}"))?);
    let group = rewrite::group("errors", m, f.name_span);
    Ok(Fix::new(Applicability::Unsafe, "Collect what it raises, and assert that it is nothing", edits, group)
        .because("a worker that failed unseen until now makes the test fail"))
}

/// Whether a function, or its module, uses a name.
fn named(m: &Module, home: StmtId, name: &str) -> bool {
    let Some(symbol) = m.symbol(name) else { return false };
    let region = m.stmt(home).span;
    !m.scopes.bindings(MODULE, symbol).is_empty()
        || m.ast.exprs.iter().any(|e| region.contains(e.span) && matches!(e.kind, ExprKind::Name(n) if n == symbol))
        || m.function(home).is_some_and(|f| f.params.iter().any(|p| p.name == symbol))
}

/// The block of `home` itself that a statement is in, however deep, and where.
fn outermost_block(m: &Module, stmt: StmtId, home: StmtId) -> Option<(Vec<StmtId>, usize)> {
    let mut child = stmt;
    while let Some(parent) = m.stmt(child).parent {
        if parent == home {
            let body = m.function(home)?.body.clone();
            let at = body.iter().position(|s| *s == child)?;
            return Some((body, at));
        }
        child = parent;
    }
    None
}
