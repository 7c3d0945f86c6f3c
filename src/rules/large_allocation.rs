//! # large-allocation
//!
//! A string, bytes, list or array larger than the budget.
//!
//! ## Why is this bad?
//! Memory under WSL2 is shared with Windows; a few hundred tests that each build 100,000 characters show in the machine, and no bug
//! needs that much: what breaks at 100,000 characters breaks at 20,000.
//!
//! ## Example
//! ```python
//! response = "x" * 100_000
//! assert validate(response).length == 100_000
//! ```
//!
//! Use instead:
//! ```python
//! response = "x" * 20_000
//! assert validate(response).length == 20_000
//! ```
//!
//! ## Fix
//! The size shrinks to the budget, with the assertions that hold the same number. A limit of the product that the size exceeds is still
//! exceeded. *Unsafe*: the size may be the point. Declined when some number nearby may depend on it in a way that cannot be seen, and
//! where something says what size it has to be: a name (`four_mb`), a comment, an exact number (`100 * 1024 - 72`), a digest, an error
//! that is expected, a limit that several of them exceed together.

use std::sync::Arc;

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::edit::{Applicability, Fix};
use crate::finding::Cost;
use crate::plan::counts::Dimension;
use crate::python::ast::{ExprKind, StmtId, StmtKind};
use crate::python::project::Module;
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("large-allocation"),
    title: "Allocation over the budget",
    source: include_str!("large_allocation.rs"),
    default: true,
    judge: Some(judge),
};

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budget = cx.settings.budgets.allocation;
    for site in cx.of_kind(SiteKind::Allocation) {
        let Some((worst, amount)) = cx.worst(site) else { continue };
        if amount.count() <= budget
            || fails(&site.module, site.module.expr(site.expr).stmt)
            || worst.is_some_and(|(_, u)| u.times == 0.0)
        {
            continue;
        }
        let m = &site.module;
        // `"a" * 1024 * 100`: the whole product is told, not its first half as well.
        let around = m.expr(site.expr).parent.filter(|&p| matches!(m.expr(p).kind, ExprKind::Binary { .. }));
        if around.is_some_and(|p| {
            cx.of_kind(SiteKind::Allocation)
                .any(|s| s.expr == p && Arc::ptr_eq(&s.module, m) && s.unit == Some(site.expr) && cx.worst(s).is_some())
        }) {
            continue;
        }
        let message = format!("allocates {}; the budget is {}", bytes(amount.count()), bytes(budget));
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = worst.map(|(t, _)| t.test.id.clone());
        finding.cost = Cost { bytes: amount.count(), ..Cost::default() };
        let factor = amount.terms.first().map_or(1.0, |t| t.factor);
        let target = (budget as f64 / factor.max(1.0)).floor() as u64;
        // `"x" * SIZE * 4`: which of the numbers is the one to change is the author's to say.
        if site.unit.is_some_and(|u| matches!(m.expr(u).kind, ExprKind::Binary { .. })) {
            finding.declined = Some("the size is a product of several numbers".to_owned());
            out.push(Draft::new(finding));
            continue;
        }
        match cx.smaller(site, &amount, round(target).max(2), Dimension::Size) {
            Ok(plan) => {
                let fix = Fix::new(
                    Applicability::Unsafe,
                    format!("Shrink it from {} to {}", plan.before, plan.after),
                    plan.edits,
                    plan.group,
                );
                finding.fix = Some(fix.because("the size may be what the test is about"));
            }
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// Whether a statement is expected to fail for want of memory: `assertRaises(OverflowError, lambda: "a" * HUGE)`.
fn fails(m: &Module, stmt: StmtId) -> bool {
    let wants = |text: &str| ["OverflowError", "MemoryError"].iter().any(|error| text.contains(error)) && text.contains("aises");
    let mut around = std::iter::successors(Some(stmt), |&id| m.stmt(id).parent);
    around.any(|id| match &m.stmt(id).kind {
        StmtKind::Expr(e) => wants(m.text(*e)),
        StmtKind::With { items, .. } => items.iter().any(|(item, _)| wants(m.text(*item))),
        _ => false,
    })
}

/// A target as people write it: two digits, then zeros.
fn round(n: u64) -> u64 {
    let unit = 10_u64.pow(n.max(1).ilog10().saturating_sub(1));
    n / unit * unit
}

/// A number of bytes as people write it (1 KB = 1000 bytes, as in the post-mortem).
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} bytes"),
        1_000..1_000_000 => format!("{} KB", (n as f64 / 1e2).round() / 10.0),
        1_000_000..1_000_000_000 => format!("{} MB", (n as f64 / 1e5).round() / 10.0),
        _ => format!("{} GB", (n as f64 / 1e8).round() / 10.0),
    }
}
