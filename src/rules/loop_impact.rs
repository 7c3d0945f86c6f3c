//! # loop-impact
//!
//! Threads × iterations × sleep past the budget of a test.
//!
//! ## Why is this bad?
//! Each of the three numbers looks harmless: 3 threads, 5 files, 0.6 s. Together they are 9 s of sleeping in one test.
//!
//! ## Example
//! ```python
//! def write():
//!     for i in range(5):
//!         save(i)
//!         time.sleep(0.6)
//!
//! threads = [threading.Thread(target=write) for _ in range(3)]
//! ```
//!
//! ## Fix
//! The cheapest of the three, with everything that is tied to it: the sleep with the durations of its test; where that is as short as
//! it gets, the iterations. *Unsafe*, as those fixes are.

use super::context::{Context, Draft};
use super::long_sleep::{exempt, seconds, unslept};
use super::{Code, Rule};
use crate::edit::{Applicability, Fix};
use crate::finding::Cost;
use crate::plan::counts::Dimension;
use crate::python::ast::{StmtId, StmtKind};
use crate::python::cost::{Site, Use};
use crate::python::project::Module;
use crate::python::value::Env;
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("loop-impact"),
    title: "Threads × iterations × sleep over the budget",
    source: include_str!("loop_impact.rs"),
    default: true,
    judge: Some(judge),
};

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budget = cx.settings.budgets.sleep_per_test;
    for site in cx.of_kind(SiteKind::Sleep) {
        let worst = cx
            .uses(site)
            .filter(|(t, u)| !t.fast_time && !t.slow && u.threads > 1.0 && u.iterations > 1.0 && u.seconds() > budget)
            .max_by(|a, b| a.1.seconds().total_cmp(&b.1.seconds()));
        let Some((test, used)) = worst else { continue };
        let Some(amount) = &used.amount else { continue };
        if exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        let m = &site.module;
        let message = format!(
            "{}{} threads × {} iterations × {} s = {} s of sleep in one test; its budget is {budget} s",
            if sometimes(m, m.expr(site.expr).stmt) { "up to " } else { "" },
            used.threads,
            used.iterations,
            seconds(amount.value),
            seconds(used.seconds())
        );
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = Some(test.test.id.clone());
        finding.cost =
            Cost { sleep_s: used.seconds(), threads: used.threads as u64, iterations: used.iterations as u64, bytes: 0 };
        match fewer_rounds(cx, site, used) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(cx.sleepless(site, amount, finding));
    }
}

/// Whether a statement runs in some rounds of the loop around it only: `if taken: sleep(…)`.
fn sometimes(m: &Module, stmt: StmtId) -> bool {
    let parents = std::iter::successors(m.stmt(stmt).parent, |&id| m.stmt(id).parent);
    let kinds = parents.map(|id| &m.stmt(id).kind);
    kinds
        .take_while(|kind| !matches!(kind, StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::Function(_)))
        .any(|kind| matches!(kind, StmtKind::If { .. }))
}

/// Fewer rounds of the innermost loop whose number is written in the test: what is left when the sleep is as short as what it is
/// tied to allows. The engine prefers the shorter sleep where there is one.
///
/// # Errors
/// With the reason why there is no such number, or why it stays.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
pub(super) fn fewer_rounds(cx: &Context<'_>, site: &Site, used: &Use) -> Result<Fix, String> {
    let m = &site.module;
    let rounds = cx.sem.loops_around(m, site.expr).into_iter().find_map(|iter| {
        let (n, editable) = cx.sem.length(m, iter, &Env::default(), 0)?;
        (editable && n.value > 2.0).then_some(n)
    });
    let Some(rounds) = rounds else {
        return Err("it is as short as it gets, and how often it happens is not a number in the test".to_owned());
    };
    let slept = used.amount.as_ref().map_or(0.0, |a| a.value) * used.times / used.iterations.max(1.0);
    let target = (cx.settings.budgets.sleep_per_test / slept.max(1e-3)).floor().max(2.0) as u64;
    let plan = cx.smaller(site, &rounds, target, Dimension::Count)?;
    let message = format!("Loop {} instead of {} times", plan.after, plan.before);
    let fix = Fix::new(Applicability::Unsafe, message, plan.edits, plan.group);
    Ok(fix.because("the number of rounds may be the point of the test"))
}
