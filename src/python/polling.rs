//! Loops that do nothing but wait for something, and how they end.

use super::ast::{BinaryOp, ExprId, ExprKind, StmtId, StmtKind};
use super::project::Module;

/// How a loop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// When a condition holds, or time is up.
    Until,
    /// After so many rounds at most: the iterable.
    Rounds(ExprId),
    /// After rounds that a variable counts.
    Counted,
}

/// Whether the innermost loop around a sleep does nothing but wait for something, and how it ends.
#[must_use]
pub fn poll(m: &Module, sleep: StmtId) -> Option<Pace> {
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
                return Some(if counts(m, body) { Pace::Counted } else { Pace::Until });
            }
            StmtKind::For { iter, body, is_async: false, .. } => {
                // Where rounds differ, they are no mere attempts.
                return (leaves(m, body) && only_waits(m, body, sleep) && !used(m, *iter)).then_some(Pace::Rounds(*iter));
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

/// Whether the variable of a loop is read anywhere but in its head.
fn used(m: &Module, iter: ExprId) -> bool {
    let StmtKind::For { target, .. } = m.stmt(m.expr(iter).stmt).kind else { return true };
    let ExprKind::Name(name) = m.expr(target).kind else { return true };
    let region = m.stmt(m.expr(iter).stmt).span;
    m.ast.exprs.iter().filter(|e| region.contains(e.span) && matches!(e.kind, ExprKind::Name(n) if n == name)).count() > 1
}
