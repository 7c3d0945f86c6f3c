//! # too-many-threads
//!
//! A test that starts more threads, processes or pool workers than its budget.
//!
//! ## Why is this bad?
//! WSL2 bears about a hundred active threads, native Linux thousands: the author never sees it, the reader's machine crashes. Three
//! threads show a race as well as ten do.
//!
//! ## Example
//! ```python
//! threads = [threading.Thread(target=push) for _ in range(10)]
//! ...
//! assert len(results) == 10
//! ```
//!
//! Use instead:
//! ```python
//! threads = [threading.Thread(target=push) for _ in range(3)]
//! ...
//! assert len(results) == 3
//! ```
//!
//! Threads that tests leave running add up as well: a file whose tests start monitors and never stop them has all of them at once
//! by its last test.
//!
//! ## Fix
//! The count shrinks to `threads-target`, with every assertion, range, barrier and pool that holds the same number, and never to a limit
//! of the product or below. *Unsafe*: the count may be the point of the test. Declined when some number nearby may depend on it in a
//! way that cannot be seen.
//!
//! What is left running is stopped when its test is over, as `leaked-thread` does it: `request.addfinalizer(monitor.stop)`. *Unsafe*:
//! stopping may wait, or raise, where nobody tried it before.

use std::rc::Rc;

use super::context::{Context, Draft};
use super::{Code, Rule, leaked_thread};
use crate::edit::{Applicability, Fix};
use crate::finding::Cost;
use crate::plan::counts::Dimension;
use crate::python::ast::{ExprId, StmtKind};
use crate::python::cost::{Site, TestFacts, Use};
use crate::python::value::{Constant, Env};
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("too-many-threads"),
    title: "More threads than a test's budget",
    source: include_str!("too_many_threads.rs"),
    default: true,
    judge: Some(judge),
};

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budgets = &cx.settings.budgets;
    for site in cx.of_kind(SiteKind::Thread).chain(cx.of_kind(SiteKind::Pool)) {
        let started = |u: &Use| match site.kind {
            SiteKind::Pool => u.times * u.amount.as_ref().map_or(0.0, |a| a.value),
            _ => u.times,
        };
        // The largest share of a test that is over budget; a small share is told at the large one.
        let worst: Option<(&TestFacts, &Use)> = cx
            .uses(site)
            .filter(|(t, u)| {
                t.cost.threads > budgets.threads_per_test
                    && (started(u) as u64).saturating_mul(2) > t.cost.threads.min(budgets.threads_per_test.saturating_mul(2))
            })
            .max_by(|a, b| started(a.1).total_cmp(&started(b.1)));
        let (count, test) = match worst {
            Some((t, u)) => (started(u) as u64, Some(t)),
            None if cx.uses(site).next().is_some() => continue,
            None => match alone(cx, site) {
                Some(n) if n > budgets.threads_per_test => (n, None),
                _ => continue,
            },
        };
        let m = &site.module;
        let what = if site.kind == SiteKind::Pool { "pool workers" } else { "threads" };
        let in_all = test.map_or(count, |t| t.cost.threads);
        let message = if in_all > count {
            format!("starts {count} of the {in_all} threads of a test; its budget is {}", budgets.threads_per_test)
        } else {
            format!("starts {count} {what}; a test's budget is {}", budgets.threads_per_test)
        };
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = test.map(|t| t.test.id.clone());
        finding.cost = Cost { threads: count, ..Cost::default() };
        match counted_by(cx, site) {
            Some(constant) => match cx.smaller(site, &constant, budgets.threads_target, Dimension::Count) {
                Ok(plan) => {
                    let fix = Fix::new(
                        Applicability::Unsafe,
                        format!("Start {} instead of {}", plan.after, plan.before),
                        plan.edits,
                        plan.group,
                    );
                    finding.fix = Some(fix.because("how many threads it takes may be the point of the test"));
                }
                Err(why) => finding.declined = Some(why),
            },
            None => finding.declined = Some("what makes so many of them is not a number in the test".to_owned()),
        }
        out.push(Draft::new(finding));
    }
    out.extend(piled_up(cx));
}

/// Threads that go on after their tests, where a file leaves more of them than one test may have. Told by `leaked-thread` where that
/// rule is on.
fn piled_up(cx: &Context<'_>) -> Vec<Draft> {
    if cx.settings.enabled(&leaked_thread::RULE.code, &cx.module.file) {
        return Vec::new();
    }
    let leaks: Vec<_> = leaked_thread::leaks(cx).into_iter().filter(|leak| leak.goes_on).collect();
    let threads: f64 = leaks.iter().map(|leak| leak.threads).sum();
    let budget = cx.settings.budgets.threads_per_test;
    if threads <= budget as f64 {
        return Vec::new();
    }
    let told = leaks.into_iter().map(|leak| {
        let mut finding = leak.finding;
        finding.code = RULE.code.clone();
        finding.message = format!("{}; {threads} of them pile up in this file, and a test's budget is {budget}", finding.message);
        Draft::new(finding)
    });
    told.collect()
}

/// Threads that one pass over a site starts, where no test of this file reaches it.
fn alone(cx: &Context<'_>, site: &Rc<Site>) -> Option<u64> {
    counted_by(cx, site).map(|c| c.count())
}

/// The number of threads as it is written: the pool's workers, or what the loops around the constructor count.
fn counted_by(cx: &Context<'_>, site: &Rc<Site>) -> Option<Constant> {
    match site.kind {
        SiteKind::Pool => cx.worst(site).map(|(_, a)| a),
        _ => loops(cx, site)
            .into_iter()
            .filter_map(|iter| {
                let (n, editable) = cx.sem.length(&site.module, iter, &Env::default(), 0)?;
                (editable && n.value > 1.0).then_some(n)
            })
            .max_by(|a, b| a.value.total_cmp(&b.value)),
    }
}

/// The loops that decide how many threads run at once: not one that waits for its threads in each round, nor one around a
/// comprehension, which builds a new list of them each time.
fn loops(cx: &Context<'_>, site: &Rc<Site>) -> Vec<ExprId> {
    let m = &site.module;
    let all = cx.sem.loops_around(m, site.expr);
    let statement = |iter: ExprId| match &m.stmt(m.expr(iter).stmt).kind {
        StmtKind::For { iter: own, .. } if *own == iter => Some(m.stmt(m.expr(iter).stmt).span),
        _ => None,
    };
    let comprehension: Vec<ExprId> = all.iter().copied().filter(|&i| statement(i).is_none()).collect();
    if !comprehension.is_empty() {
        return comprehension;
    }
    all.into_iter().filter(|&i| statement(i).is_none_or(|block| !cx.sem.ends_in(cx.counter, m, site, block))).collect()
}
