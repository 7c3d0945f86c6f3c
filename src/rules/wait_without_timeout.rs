//! # wait-without-timeout
//!
//! A wait for another thread or process that has no timeout: `Event.wait()`, `Queue.get()`, `Future.result()`, `Popen.wait()`.
//!
//! ## Why is this bad?
//! If what it waits for never happens, the run hangs until somebody kills it, and nothing says which test it was.
//!
//! ## Example
//! ```python
//! ready.wait()
//! assert results.get() == 42
//! ```
//!
//! Use instead:
//! ```python
//! assert ready.wait(timeout=5.0)
//! assert results.get(timeout=5.0) == 42
//! ```
//!
//! ## Fix
//! Adds the timeout where the call takes one. `Event.wait(timeout)` does not raise: it returns `False`, so that the timeout alone
//! would turn a hang into a pass; the fix asserts what it returns. `Queue.get`, `Future.result`, `Popen.wait`, `Barrier.wait` raise.
//! A child process gets 30 s, since its start is a matter of the machine.
//!
//! *Unsafe*: what is waited for may rightly take longer. Declined where something around the call would catch the exception, where
//! what `wait()` returns is used for something else, and in functions that other threads run: there an exception would be lost.

use std::sync::Arc;

use super::context::{Context, Draft, excerpt};
use super::{Code, Rule};
use crate::edit::{Applicability, Edit, Fix};
use crate::plan::number::write_seconds;
use crate::python::ast::{ArgKind, ExprId, ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::project::Module;
use crate::query::SiteKind;
use crate::rewrite;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("wait-without-timeout"),
    title: "Wait that can hang for ever",
    source: include_str!("wait_without_timeout.rs"),
    default: false,
    judge: Some(judge),
};

/// Seconds for a child process: on a loaded machine an interpreter with a few imports takes several seconds to start and end.
const CHILD_S: f64 = 30.0;

/// What a call does when its time is up.
#[derive(Clone, Copy, PartialEq)]
enum WhenUp {
    Raises,
    ReturnsFalse,
    ReturnsNothing,
}

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Wait) {
        let m = &site.module;
        let ExprKind::Call { func, args, .. } = &m.expr(site.expr).kind else { continue };
        let (ExprKind::Attribute { attr, .. }, Some(receiver)) = (&m.expr(*func).kind, site.receiver) else { continue };
        let method = m.name(*attr);
        let unlimited = |e: Option<ExprId>| e.is_none_or(|e| matches!(m.expr(e).kind, ExprKind::None));
        let splat = args.iter().any(|a| matches!(a.kind, ArgKind::Star | ArgKind::DoubleStar));
        if !cx.in_a_test(m, m.expr(site.expr).stmt) && cx.uses(site).next().is_none() {
            continue;
        }
        if splat || !unlimited(site.amount) || !blocks(m, site, method) || settled(cx, site, receiver, method) {
            continue;
        }
        let span = m.expr(site.expr).span;
        let call = excerpt(m.text(site.expr));
        let mut finding = cx.finding(
            &RULE.code,
            m,
            span,
            format!("`{call}` has no timeout: if what it waits for never happens, the run hangs"),
        );
        finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
        match fix(cx, site, receiver, method) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// Whether a call waits at all: `queue.get(False)` and `queue.get(block=False)` do not.
fn blocks(m: &Arc<Module>, site: &Site, method: &str) -> bool {
    let ExprKind::Call { args, .. } = &m.expr(site.expr).kind else { return false };
    if method != "get" {
        return true;
    }
    m.argument(args, Some(0), &["block"])
        .is_none_or(|a| matches!(m.expr(a.value).kind, ExprKind::Bool(true) | ExprKind::Int(Some(1))))
}

/// Whether what is waited for has happened already, as far as the same function says: an event that it has just set, a future of an
/// executor that has been left, a future that was waited for, a queue that it has filled itself.
fn settled(cx: &Context<'_>, site: &Site, receiver: ExprId, method: &str) -> bool {
    let m = &site.module;
    let stmt = m.expr(site.expr).stmt;
    let Some(home) = m.scopes.function_around(stmt) else { return true };
    let at = m.expr(site.expr).span.start;
    let before = m.source.slice(Span::new(m.stmt(home).span.start, at));
    let name = m.text(receiver);
    let said = |methods: &[&str]| methods.iter().any(|w| before.contains(&format!("{name}.{w}(")));
    match method {
        "get" => said(&["put", "put_nowait"]),
        "wait" => said(&["set"]) || [".kill(", ".terminate("].iter().any(|w| before.contains(w)),
        "communicate" => [".kill(", ".terminate("].iter().any(|w| before.contains(w)),
        _ => {
            let words =
                ["as_completed(", "futures.wait(", " wait(", "set_result(", "set_exception(", ".done()", ".shutdown(", "cancel("];
            words.iter().any(|w| before.contains(w))
                || m.source.slice(m.stmt(home).span).contains("set_result(")
                || left(cx, m, home, stmt)
        }
    }
}

/// Whether a `with` over an executor of the same function has ended before a statement: its futures are done then.
fn left(cx: &Context<'_>, m: &Arc<Module>, home: StmtId, stmt: StmtId) -> bool {
    let around = m.stmt(home).span;
    let at = m.stmt(stmt).span.start;
    m.ast.stmts.iter().any(|s| {
        let StmtKind::With { items, .. } = &s.kind else { return false };
        around.contains(s.span)
            && s.span.end <= at
            && items.iter().any(|(e, _)| {
                let executors =
                    ["concurrent.futures.ThreadPoolExecutor".to_owned(), "concurrent.futures.ProcessPoolExecutor".to_owned()];
                cx.sem.instance_of(&cx.sem.type_of(m, *e), &executors)
            })
    })
}

fn fix(cx: &Context<'_>, site: &Site, receiver: ExprId, method: &str) -> Result<Fix, String> {
    let m = &site.module;
    rewrite::editable(m)?;
    let ExprKind::Call { args, args_span, .. } = &m.expr(site.expr).kind else { return Err("it is no call".to_owned()) };
    let stmt = m.expr(site.expr).stmt;
    if m.source.slice(*args_span).contains('#') {
        return Err("a comment stands between its parentheses".to_owned());
    }
    let home = m.scopes.function_around(stmt);
    let nested = home.is_some_and(|h| m.scopes.function_around(h).is_some());
    if nested || cx.sem.runs_in_a_worker(cx.counter, m, stmt) || in_lambda(m, site.expr) {
        return Err("it stands in a function that another thread may run, where an exception would be lost".to_owned());
    }
    let kind = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        cx.sem.instance_of(&cx.sem.type_of(m, receiver), &names)
    };
    let child = kind(&["subprocess.Popen"]);
    let when_up = match method {
        "wait" if kind(&["threading.Event", "multiprocessing.Event"]) => WhenUp::ReturnsFalse,
        "wait" if kind(&["multiprocessing.pool.AsyncResult"]) => WhenUp::ReturnsNothing,
        _ => WhenUp::Raises,
    };
    if let Some(why) = caught(m, stmt) {
        return Err(why.to_owned());
    }
    let timeout = if child { cx.settings.fix.join_timeout.max(CHILD_S) } else { cx.settings.fix.join_timeout };
    let timeout = format!("timeout={}", write_seconds(timeout));
    let span = m.expr(site.expr).span;
    // Where `timeout=None` or a positional None stands, it is replaced.
    let mut edits = Vec::new();
    let given = site.amount.and_then(|a| args.iter().find(|x| x.value == a));
    match given {
        Some(arg) => edits.push(Edit::replace(&m.file, arg.span, timeout.clone())),
        None => {
            edits.push(match args.last() {
                Some(last) => Edit::insert(&m.file, last.span.end, format!(", {timeout}")),
                None => Edit::insert(&m.file, args_span.start + 1, timeout.clone()),
            });
        }
    }
    let mut message = format!("Add `{timeout}`");
    match when_up {
        WhenUp::Raises => {}
        WhenUp::ReturnsNothing => return Err("it returns silently when its time is up".to_owned()),
        WhenUp::ReturnsFalse => match m.stmt(stmt).kind {
            StmtKind::Expr(e) if e == site.expr => {
                edits.push(Edit::insert(&m.file, span.start, "assert "));
                message.push_str(" and assert that it happened");
            }
            _ if asserted(m, site.expr) => {}
            _ => return Err("what it returns is used: with a timeout that could be False".to_owned()),
        },
    }
    Ok(Fix::new(Applicability::Unsafe, message, edits, rewrite::group("wait", m, span))
        .because("what it waits for may rightly take longer"))
}

/// Whether an expression is what an assertion asks for: `assert ready.wait()`, `self.assertTrue(ready.wait())`.
fn asserted(m: &Module, e: ExprId) -> bool {
    match &m.stmt(m.expr(e).stmt).kind {
        StmtKind::Assert { test, .. } => *test == e,
        StmtKind::Expr(whole) => match &m.expr(*whole).kind {
            ExprKind::Call { func, args, .. } => {
                matches!(m.expr(*func).kind, ExprKind::Attribute { attr, .. } if matches!(m.name(attr), "assertTrue" | "assert_"))
                    && args.first().is_some_and(|a| a.value == e)
            }
            _ => false,
        },
        _ => false,
    }
}

fn in_lambda(m: &Module, e: ExprId) -> bool {
    let mut at = m.expr(e).parent;
    while let Some(p) = at {
        if matches!(m.expr(p).kind, ExprKind::Lambda { .. }) {
            return true;
        }
        at = m.expr(p).parent;
    }
    false
}

/// What around a statement might catch the exception of a timeout.
fn caught(m: &Module, stmt: StmtId) -> Option<&'static str> {
    let mut child = stmt;
    let mut at = m.stmt(stmt).parent;
    while let Some(id) = at {
        match &m.stmt(id).kind {
            StmtKind::Try { body, handlers, .. } if body.contains(&child) && !handlers.is_empty() => {
                return Some("an `except` around it might catch the timeout");
            }
            StmtKind::With { items, .. } => {
                let catches = |text: &str| ["raises", "suppress", "assertRaises", "Raises"].iter().any(|w| text.contains(w));
                if items.iter().any(|(e, _)| catches(m.text(*e))) {
                    return Some("a `with` around it expects an exception, and might take the timeout for it");
                }
            }
            StmtKind::Function(_) => return None,
            _ => {}
        }
        child = id;
        at = m.stmt(id).parent;
    }
    None
}
