//! # long-sleep
//!
//! A sleep that is longer than a test may sleep in all.
//!
//! ## Why is this bad?
//! One test that sleeps 2.5 s is fine; thirty of them are 75 s in which a machine does nothing, on every run of every developer.
//! Most sleeps are long because the thing they wait for is: the two numbers can shrink together.
//!
//! ## Example
//! ```python
//! def test_silence_is_told():
//!     monitor = OutputMonitor(timeout=2.0)
//!     monitor.start()
//!     time.sleep(2.5)
//!     assert monitor.silent
//! ```
//!
//! Use instead:
//! ```python
//! def test_silence_is_told():
//!     monitor = OutputMonitor(timeout=0.1)
//!     monitor.start()
//!     time.sleep(0.2)
//!     assert monitor.silent
//! ```
//!
//! ## Fix
//! All durations of a test form a group: its sleeps, the timeouts, intervals and defaults of the product it constructs, bounds it
//! asserts on elapsed time. The group shrinks to the smallest values that keep every order between them with a margin of 0.1 s.
//! The fix is *unsafe*: the code under test may need longer than it was given, and only a run can tell. It is declined where
//! something outside of the test decides how long a wait takes (a child process, a network peer, file times, an alarm), where a
//! number is the product's own, where two numbers are so close that a smaller gap would be luck, and where what is asserted changes
//! over a sleep although no number that is known brings that about.
//!
//! Sleeps in tests that use a fixture named `fast_time`, or are marked `slow`, are not reported, nor those that
//! something else ends: a timeout, a cancelled task, a killed process; nor those of a mocked clock.

use super::context::{Context, Draft};
use super::{Code, Rule};
use crate::finding::Cost;
use crate::python::cost::Site;
use crate::query::SiteKind;

pub(super) static RULE: Rule = Rule {
    code: Code::new("long-sleep"),
    title: "Sleep longer than a test's budget",
    source: include_str!("long_sleep.rs"),
    default: true,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    let budget = cx.settings.budgets.sleep_per_test;
    for site in cx.of_kind(SiteKind::Sleep) {
        let Some((worst, amount)) = cx.worst(site) else { continue };
        if amount.value <= budget || exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        let m = &site.module;
        let seconds = seconds(amount.value);
        let up_to = if amount.several { "up to " } else { "" };
        let mut finding = cx.finding(
            &RULE.code,
            m,
            m.expr(site.expr).span,
            format!("sleeps {up_to}{seconds} s; a test's budget is {budget} s"),
        );
        finding.cost = Cost { sleep_s: amount.value, ..Cost::default() };
        if let Some((test, used)) = worst {
            finding.test = Some(test.test.id.clone());
            finding.cost.sleep_s = used.seconds().max(amount.value);
            let reached = cx.uses(site).filter(|(_, u)| u.times > 0.0).map(|(t, _)| t.runs).sum::<u64>();
            if reached > 1 {
                finding.message =
                    format!("sleeps {up_to}{seconds} s, {reached} times in this file; a test's budget is {budget} s");
            }
            cx.tell_measured(site, test, &mut finding);
        }
        out.push(cx.sleepless(site, &amount, finding));
    }
}

/// Whether every test that reaches a sleep is one that is not charged for it.
pub(super) fn exempt(cx: &Context<'_>, site: &Site) -> bool {
    let mut tests = cx.uses(site).peekable();
    tests.peek().is_some() && tests.all(|(t, _)| t.fast_time || t.slow)
}

/// Whether nobody sleeps that long at a site: something ends it, or the clock is mocked (HAZARDS row 34).
pub(super) fn unslept(cx: &Context<'_>, site: &Site, seconds: f64) -> bool {
    cx.sem.unslept(&site.module, site.expr, seconds)
}

/// Seconds as people write them.
pub(super) fn seconds(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    format!("{rounded}")
}
