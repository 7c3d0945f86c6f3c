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
use crate::plan::solve::Quantity;
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
            .filter(|(t, u)| !t.fast_time && !t.slow && u.iterations > 1.0 && u.seconds() > budget)
            .max_by(|a, b| a.1.seconds().total_cmp(&b.1.seconds()));
        let Some((test, used)) = worst else { continue };
        let Some(amount) = &used.amount else { continue };
        if exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        let m = &site.module;
        let threads = if used.threads > 1.0 { format!("{} threads × ", used.threads) } else { String::new() };
        let message = format!(
            "{threads}{} iterations × {} s = {} s of sleep in one test; its budget is {budget} s",
            used.iterations,
            seconds(amount.value),
            seconds(used.seconds())
        );
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = Some(test.test.id.clone());
        finding.cost =
            Cost { sleep_s: used.seconds(), threads: used.threads as u64, iterations: used.iterations as u64, bytes: 0 };
        // Fewer rounds, for when the sleep is as short as what it is tied to allows: then the engine finds no shorter one and
        // this fix stays.
        let rounds = cx.sem.loops_around(m, site.expr).into_iter().find_map(|iter| {
            let (n, editable) = cx.sem.length(m, iter, &Env::default(), 0)?;
            (editable && n.value > 2.0).then_some(n)
        });
        let target = (budget / (used.threads * amount.value)).floor().max(2.0) as u64;
        match rounds.map(|n| cx.smaller(site, &n, target, Dimension::Count)) {
            Some(Ok(plan)) => {
                let message = format!("Loop {} instead of {} times", plan.after, plan.before);
                let fix = Fix::new(Applicability::Unsafe, message, plan.edits, plan.group);
                finding.fix = Some(fix.because("the number of rounds may be the point of the test"));
            }
            Some(Err(why)) => finding.declined = Some(why),
            None => {
                let why = "the sleep is as short as it gets, and what it is multiplied by is not a number in the test";
                finding.declined = Some(why.to_owned());
            }
        }
        let durations = if amount.value > Quantity::FLOOR_S + 1e-9 { Context::keys(amount) } else { Vec::new() };
        out.push(Draft { finding, durations });
    }
}
