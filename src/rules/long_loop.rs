//! # long-loop
//!
//! A loop with more iterations than the budget.
//!
//! ## Why is this bad?
//! What a loop of 100,000 shows, a loop of 1,000 shows as well, a hundred times sooner.
//!
//! ## Example
//! ```python
//! for i in range(100_000):
//!     cache.put(i)
//! assert len(cache) == 100_000
//! ```
//!
//! Use instead:
//! ```python
//! for i in range(1_000):
//!     cache.put(i)
//! assert len(cache) == 1_000
//! ```
//!
//! ## Fix
//! The count shrinks to the budget, with the assertions that hold the same number. *Unsafe*: the number of rounds may be the point.
//! Flagged only where the test draws random numbers or looks for leaks or collisions.

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::edit::{Applicability, Fix};
use crate::finding::Cost;
use crate::plan::counts::Dimension;
use crate::python::value::Env;
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("long-loop"),
    title: "Loop over the iteration budget",
    source: include_str!("long_loop.rs"),
    default: true,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budget = cx.settings.budgets.iterations_per_loop;
    for site in cx.of_kind(SiteKind::Loop) {
        let Some((worst, amount)) = cx.worst(site) else { continue };
        // A loop that ends as soon as something happens does not run to its end.
        if amount.count() <= budget || cx.sem.ends_early(&site.module, site.expr) {
            continue;
        }
        let m = &site.module;
        let mut finding =
            cx.finding(&RULE.code, m, m.expr(site.expr).span, format!("loops {} times; the budget is {budget}", amount.count()));
        finding.test = worst.map(|(t, _)| t.test.id.clone());
        finding.cost = Cost { iterations: amount.count(), ..Cost::default() };
        let editable = cx.sem.length(m, site.expr, &Env::default(), 0).is_some_and(|(_, editable)| editable);
        if editable {
            match cx.smaller(site, &amount, budget, Dimension::Count) {
                Ok(plan) => {
                    let fix = Fix::new(
                        Applicability::Unsafe,
                        format!("Loop {} instead of {} times", plan.after, plan.before),
                        plan.edits,
                        plan.group,
                    );
                    finding.fix = Some(fix.because("the number of rounds may be the point of the test"));
                }
                Err(why) => finding.declined = Some(why),
            }
        } else {
            finding.declined = Some("how often it loops is not one number in the test".to_owned());
        }
        out.push(Draft::new(finding));
    }
}
