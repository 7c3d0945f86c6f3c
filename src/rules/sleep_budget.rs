//! # sleep-budget
//!
//! The sleeps of a test, of a file, or of the whole suite add up past their budget.
//!
//! ## Why is this bad?
//! No single sleep looks long. Counted through loops, helpers, fixtures, threads and parametrize they are what a run spends its time
//! on, and nobody sees it in a review of one test.
//!
//! ## Example
//! ```python
//! @pytest.mark.parametrize("mode", MODES)      # 8 of them
//! def test_mode(mode):
//!     for _ in range(5):
//!         push(mode)
//!         time.sleep(0.3)                      # 1.5 s a run, 12 s in all
//! ```
//!
//! ## Fix
//! As for `long-sleep`: the durations of the test shrink together. Where a sleep in a loop is as short as what it is tied to
//! allows, the rounds become fewer, with the assertions that count them. *Unsafe* for the same reasons.

use std::collections::HashSet;
use std::rc::Rc;

use super::context::{Context, Draft};
use super::long_sleep::{exempt, seconds, unslept};
use super::loop_impact::fewer_rounds;
use super::{Code, Rule};
use crate::finding::Cost;
use crate::python::cost::Site;
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("sleep-budget"),
    title: "Sleeps that add up past a budget",
    source: include_str!("sleep_budget.rs"),
    default: true,
    judge: Some(judge),
};

/// A sleep this short, all its repetitions together, is not what a budget is exceeded by.
const NEGLIGIBLE_S: f64 = 0.05;

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budgets = &cx.settings.budgets;
    // Sites that long-sleep tells about already are not told twice.
    let long = |site: &Site| {
        cx.settings.enabled(&super::long_sleep::RULE.code, &site.module.file)
            && cx.worst(site).is_some_and(|(_, a)| a.value > budgets.sleep_per_test)
    };
    let sites: Vec<&Rc<Site>> = cx.of_kind(SiteKind::Sleep).filter(|s| !exempt(cx, s)).collect();
    let mut told: HashSet<*const Site> = HashSet::new();
    for site in &sites {
        let Some((Some(_), amount)) = cx.worst(site) else { continue };
        if long(site) || unslept(cx, site, amount.value) {
            continue;
        }
        let worst = cx
            .uses(site)
            .filter(|(t, u)| !t.fast_time && !t.slow && total(t) > budgets.sleep_per_test && u.seconds() >= NEGLIGIBLE_S)
            .max_by(|a, b| total(a.0).total_cmp(&total(b.0)));
        let Some((test, used)) = worst else { continue };
        let m = &site.module;
        let message = format!(
            "sleeps {} s in one run of a test that sleeps {} s in all; its budget is {} s",
            seconds(used.seconds()),
            seconds(total(test)),
            budgets.sleep_per_test
        );
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = Some(test.test.id.clone());
        finding.cost = Cost { sleep_s: used.seconds(), ..Cost::default() };
        cx.tell_measured(site, test, &mut finding);
        if used.iterations > 1.0 {
            finding.fix = fewer_rounds(cx, site, used).ok();
        }
        told.insert(Rc::as_ptr(site));
        out.push(cx.sleepless(site, &amount, finding));
    }
    // The file as a whole: the largest of what is left, until the rest fits the budget.
    let mut left: Vec<(&Rc<Site>, f64)> = Vec::new();
    let mut sum: f64 = cx.tests.iter().filter(|t| !t.fast_time && !t.slow).map(|t| total(t) * t.runs as f64).sum();
    let whole = sum;
    if whole <= budgets.sleep_per_file {
        return;
    }
    for site in sites {
        let own: f64 = cx.uses(site).filter(|(t, _)| !t.fast_time && !t.slow).map(|(t, u)| u.seconds() * t.runs as f64).sum();
        if long(site) || told.contains(&Rc::as_ptr(site)) {
            sum -= own;
        } else if own >= NEGLIGIBLE_S {
            left.push((site, own));
        }
    }
    left.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (site, own) in left {
        if sum <= budgets.sleep_per_file {
            break;
        }
        sum -= own;
        let Some((Some((test, _)), amount)) = cx.worst(site) else { continue };
        let m = &site.module;
        let message = format!(
            "sleeps {} s over all tests of a file that sleeps {} s; its budget is {} s",
            seconds(own),
            seconds(whole),
            budgets.sleep_per_file
        );
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
        finding.test = Some(test.test.id.clone());
        finding.cost = Cost { sleep_s: own, ..Cost::default() };
        out.push(cx.sleepless(site, &amount, finding));
    }
}

/// Seconds one run of a test is charged: sleeps that something else ends are not slept.
fn total(t: &crate::python::cost::TestFacts) -> f64 {
    t.uses.iter().map(crate::python::cost::Use::seconds).sum()
}
