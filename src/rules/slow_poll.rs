//! # slow-poll
//!
//! A loop that waits for something and looks only now and then.
//!
//! ## Why is this bad?
//! On average such a loop waits half an interval longer than it has to, at every use. Looking more often costs nothing that counts
//! in a test.
//!
//! ## Example
//! ```python
//! while not server.ready:
//!     time.sleep(1)
//! ```
//!
//! Use instead:
//! ```python
//! while not server.ready:
//!     time.sleep(0.05)
//! ```
//!
//! ## Fix
//! A smaller interval, and the same deadline: where the loop counts its rounds, it gets as many more. *Unsafe*: whether something
//! counts how often is looked, only a run can tell. Declined where the interval is a number that others use too, or the loop counts in
//! a way that cannot be followed.

use super::context::{Context, Draft};
use super::long_sleep::{exempt, seconds, unslept};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::Cost;
use crate::plan::number::{rewrite_number, write_seconds};
use crate::python::ast::{BinaryOp, ExprId, ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::project::Module;
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("slow-poll"),
    title: "Polling loop with a long interval",
    source: include_str!("slow_poll.rs"),
    default: false,
    judge: Some(judge),
};

/// The longest interval that is not worth a word: half of it is what a test loses on average.
const FAST_S: f64 = 0.1;

/// The interval that a fix writes.
const INTERVAL_S: f64 = 0.05;

/// How a loop ends.
enum Loop {
    /// When a condition holds, or time is up.
    Until,
    /// After so many rounds at most: the iterable.
    Rounds(ExprId),
    /// After rounds that a variable counts.
    Counted,
}

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Sleep) {
        let m = &site.module;
        let Some((worst, amount)) = cx.worst(site) else { continue };
        if m.role == Role::Product || amount.value <= FAST_S || exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        if !cx.in_a_test(m, m.expr(site.expr).stmt) && worst.is_none() {
            continue;
        }
        let Some(kind) = poll(m, m.expr(site.expr).stmt) else { continue };
        let message =
            format!("looks only every {} s: a test that waits here loses half of that each time", seconds(amount.value));
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.cost = Cost { sleep_s: amount.value / 2.0, ..Cost::default() };
        finding.test = worst.map(|(test, _)| test.test.id.clone());
        match fix(site, &kind, amount.value) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// Whether the innermost loop around a sleep does nothing but wait for something, and how it ends.
fn poll(m: &Module, sleep: StmtId) -> Option<Loop> {
    let mut at = m.stmt(sleep).parent;
    loop {
        let id = at?;
        match &m.stmt(id).kind {
            StmtKind::While { test, body, .. } => {
                let endless = matches!(m.expr(*test).kind, ExprKind::Bool(true) | ExprKind::Int(Some(1)));
                let leaves = leaves(m, body);
                if !only_waits(m, body, sleep) || endless && !leaves {
                    return None;
                }
                return Some(if counts(m, body) { Loop::Counted } else { Loop::Until });
            }
            StmtKind::For { iter, body, is_async: false, .. } => {
                // Where rounds differ, they are no mere attempts.
                return (leaves(m, body) && only_waits(m, body, sleep) && !used(m, *iter)).then_some(Loop::Rounds(*iter));
            }
            // `data = read(); if data: sleep(1)`: it sleeps because it has got something, and is slow on purpose.
            StmtKind::If { test, .. } if was_read(m, *test) => return None,
            StmtKind::If { .. } | StmtKind::Try { .. } | StmtKind::With { .. } => at = m.stmt(id).parent,
            _ => return None,
        }
    }
}

/// Whether a condition is a name for what was read.
fn was_read(m: &Module, test: ExprId) -> bool {
    let ExprKind::Name(name) = m.expr(test).kind else { return false };
    m.ast.stmts.iter().any(|s| {
        let StmtKind::Assign { targets, value: Some(value), .. } = &s.kind else { return false };
        let here = targets.iter().any(|&t| matches!(m.expr(t).kind, ExprKind::Name(n) if n == name));
        here && ["read(", "readline(", "recv(", "receive("].iter().any(|w| m.text(*value).contains(w))
    })
}

/// Whether a loop's body leaves the loop at a condition.
fn leaves(m: &Module, body: &[StmtId]) -> bool {
    body.iter().any(|&id| match &m.stmt(id).kind {
        StmtKind::Break | StmtKind::Return(_) => true,
        StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::Function(_) | StmtKind::Class(_) => false,
        kind => {
            let mut found = false;
            kind.blocks(&mut |b| found |= leaves(m, b));
            found
        }
    })
}

/// Whether a body only looks, sleeps and leaves: a loop that works between its sleeps has its own pace.
fn only_waits(m: &Module, body: &[StmtId], sleep: StmtId) -> bool {
    body.iter().all(|&id| match &m.stmt(id).kind {
        _ if id == sleep => true,
        StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Return(_)
        | StmtKind::Raise(_)
        | StmtKind::Assert { .. }
        | StmtKind::AugAssign { .. }
        | StmtKind::Assign { .. }
        | StmtKind::Other(_) => true,
        StmtKind::If { body, orelse, .. } => only_waits(m, body, sleep) && only_waits(m, orelse, sleep),
        StmtKind::Try { body, handlers, orelse, finally } => {
            [body, orelse, finally].into_iter().all(|b| only_waits(m, b, sleep))
                && handlers.iter().all(|h| only_waits(m, &h.body, sleep))
        }
        StmtKind::With { body, .. } => only_waits(m, body, sleep),
        // pytest.fail(), self.fail(), a word on the console.
        StmtKind::Expr(e) => match m.expr(*e).kind {
            ExprKind::Call { func, .. } => {
                matches!(m.text(func).rsplit('.').next(), Some("fail" | "skip" | "print" | "debug" | "info"))
            }
            ExprKind::Str { .. } | ExprKind::Ellipsis => true,
            _ => false,
        },
        _ => false,
    })
}

/// Whether a body counts its rounds, or the time it has slept.
fn counts(m: &Module, body: &[StmtId]) -> bool {
    body.iter().any(|&id| match &m.stmt(id).kind {
        StmtKind::AugAssign { .. } => true,
        StmtKind::Assign { value: Some(value), targets, .. } => match (&m.expr(*value).kind, &targets[..]) {
            (ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left, .. }, [target]) => m.text(*left) == m.text(*target),
            _ => false,
        },
        kind => {
            let mut found = false;
            kind.blocks(&mut |b| found |= counts(m, b));
            found
        }
    })
}

fn fix(site: &Site, kind: &Loop, interval: f64) -> Result<Fix, String> {
    let m = &site.module;
    rewrite::editable(m)?;
    let amount = site.amount.ok_or("its interval is not seen")?;
    if !matches!(m.expr(amount).kind, ExprKind::Int(_) | ExprKind::Float(_)) {
        return Err("its interval is not written here, and others may use it".to_owned());
    }
    let mut edits = Vec::new();
    let mut new = INTERVAL_S;
    match kind {
        Loop::Until => {}
        Loop::Counted => return Err("it counts its rounds: with more of them the deadline would move".to_owned()),
        Loop::Rounds(iter) => {
            let ExprKind::Call { func, args, .. } = &m.expr(*iter).kind else {
                return Err("how many rounds it makes cannot be changed along".to_owned());
            };
            let [rounds] = args.as_slice() else { return Err("how many rounds it makes cannot be changed along".to_owned()) };
            let ExprKind::Int(Some(n)) = m.expr(rounds.value).kind else {
                return Err("how many rounds it makes is not written here".to_owned());
            };
            if m.text(*func) != "range" {
                return Err("how many rounds it makes cannot be changed along".to_owned());
            }
            // A whole number of new rounds for each old one keeps the deadline as it is.
            let times = (interval / INTERVAL_S).floor();
            new = interval / times;
            let more = n as f64 * times;
            let text = rewrite_number(m.text(rounds.value), n as f64, more).ok_or("its rounds cannot be written")?;
            edits.push(Edit::replace(&m.file, m.expr(rounds.value).span, text));
        }
    }
    if ((new * 1000.0).round() / 1000.0 - new).abs() > 1e-9 {
        return Err(format!("{} s cannot be parted evenly", seconds(interval)));
    }
    edits.push(Edit::replace(&m.file, m.expr(amount).span, write_seconds(new)));
    let message = match kind {
        Loop::Rounds(_) => format!("Look every {} s, as many times more often", write_seconds(new)),
        _ => format!("Look every {} s", write_seconds(new)),
    };
    Ok(Fix::new(Applicability::Unsafe, message, edits, rewrite::group("poll", m, m.expr(site.expr).span))
        .because("something may count how often is looked"))
}

/// Whether the variable of a loop is read anywhere but in its head.
fn used(m: &Module, iter: ExprId) -> bool {
    let StmtKind::For { target, .. } = m.stmt(m.expr(iter).stmt).kind else { return true };
    let ExprKind::Name(name) = m.expr(target).kind else { return true };
    let region = m.stmt(m.expr(iter).stmt).span;
    m.ast.exprs.iter().filter(|e| region.contains(e.span) && matches!(e.kind, ExprKind::Name(n) if n == name)).count() > 1
}
