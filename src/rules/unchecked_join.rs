//! # unchecked-join
//!
//! `join(timeout)` whose result nobody looks at.
//!
//! ## Why is this bad?
//! `Thread.join(timeout)` does not raise: it returns, and the thread goes on. A worker that hangs makes the test slower by the
//! timeout, and otherwise it passes.
//!
//! ## Example
//! ```python
//! thread.join(timeout=5)
//! ```
//!
//! Use instead:
//! ```python
//! thread.join(timeout=5)
//! assert not thread.is_alive()
//! ```
//!
//! Not told where the test asserts what the worker does last: a hang would not pass.
//!
//! ## Fix
//! Adds the assertion. *Unsafe*: a test may well go on with a thread that is still running.

use std::rc::Rc;
use std::sync::Arc;

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Fix};
use crate::python::assertion::{Asserted, asserted, following, positive};
use crate::python::ast::{ExprId, ExprKind, StmtId, StmtKind, Symbol};
use crate::python::cost::Site;
use crate::python::ended::outermost;
use crate::python::project::Module;
use crate::python::semantics::Type;
use crate::query::SiteKind;
use crate::rewrite;
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("unchecked-join"),
    title: "Join whose timeout passes silently",
    source: include_str!("unchecked_join.rs"),
    default: false,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Join) {
        let m = &site.module;
        let Some(amount) = site.amount else { continue };
        if matches!(m.expr(amount).kind, ExprKind::None) {
            continue;
        }
        let (Some(receiver), StmtKind::Expr(whole)) = (site.receiver, &m.stmt(m.expr(site.expr).stmt).kind) else { continue };
        if *whole != site.expr {
            continue;
        }
        // Looked at anywhere in the same test or helper: `is_alive()`, or a process's `exitcode`.
        let stmt = m.expr(site.expr).stmt;
        let region = outermost(m, stmt)
            .map_or_else(|| Span::new(0, u32::try_from(m.source.text().len()).unwrap_or(u32::MAX)), |f| m.stmt(f).span);
        let text = m.source.slice(region);
        if text.contains("is_alive") || text.contains("isAlive") || text.contains("exitcode") {
            continue;
        }
        let name = m.text(receiver);
        let span = m.expr(site.expr).span;
        // Joined again later: this one only gave it some time.
        let again = |s: &&Rc<Site>| {
            let other = m.expr(s.expr).span;
            Arc::ptr_eq(&s.module, m)
                && s.receiver.is_some_and(|r| m.text(r) == name)
                && region.contains(other)
                && other.start > span.start
        };
        if cx.of_kind(SiteKind::Join).collect::<Vec<_>>().iter().any(again) {
            continue;
        }
        if missed(cx, site, stmt) {
            continue;
        }
        let mut finding =
            cx.finding(&RULE.code, m, span, format!("nobody checks whether `{name}` ended in time: a hang passes silently"));
        finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
        let simple = matches!(m.expr(receiver).kind, ExprKind::Name(_) | ExprKind::Attribute { .. });
        let line = rewrite::line_after(m, stmt, &format!("assert not {name}.is_alive()"));
        if m.role != Role::Product
            && !m.broken()
            && simple
            && let Ok(edit) = line
        {
            let group = rewrite::group("join", m, span);
            finding.fix = Some(
                Fix::new(Applicability::Unsafe, "Assert that it ended", vec![edit], group)
                    .because("the test may go on with a thread that is still running on purpose"),
            );
        } else {
            finding.declined = Some("there is no simple place for the assertion".to_owned());
        }
        out.push(Draft::new(finding));
    }
}

/// Whether an assertion after a join holds only if the thread came to its end: it asks for what the worker does last.
///
/// `received.append(read())` at the end of the worker, `join(2)`, and `assert len(received) == 1`.
fn missed(cx: &Context<'_>, site: &Site, join: StmtId) -> bool {
    let m = &site.module;
    let worker = cx.sem.constructor(cx.counter, m, site).and_then(|thread| cx.sem.worker(m, &thread));
    let Some(Type::Function(def)) = worker.filter(|w| matches!(w, Type::Function(def) if Arc::ptr_eq(&def.module, m))) else {
        return false;
    };
    let Some(last) = m.function(def.stmt).and_then(|f| f.body.last()) else { return false };
    // What it fills: `filled.append(…)`, `filled["key"] = …`.
    let filled = match &m.stmt(*last).kind {
        StmtKind::Expr(call) => match m.expr(*call).kind {
            ExprKind::Call { func, .. } => match m.expr(func).kind {
                ExprKind::Attribute { value, attr, .. } if matches!(m.name(attr), "append" | "add") => value,
                _ => return false,
            },
            _ => return false,
        },
        StmtKind::Assign { targets, .. } => match targets[..] {
            [target] => match m.expr(target).kind {
                ExprKind::Subscript { value, .. } => value,
                _ => return false,
            },
            _ => return false,
        },
        _ => return false,
    };
    let ExprKind::Name(name) = m.expr(filled).kind else { return false };
    following(m, join).into_iter().any(|next| match asserted(m, next) {
        Asserted::Test(test) => positive(m, test) && mentions(m, test, name),
        Asserted::Unreadable | Asserted::Nothing => false,
    })
}

/// Whether an expression names something.
fn mentions(m: &Module, e: ExprId, name: Symbol) -> bool {
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if matches!(m.expr(e).kind, ExprKind::Name(n) if n == name) {
            return true;
        }
        m.expr(e).kind.children(&mut |c| stack.push(c));
    }
    false
}
